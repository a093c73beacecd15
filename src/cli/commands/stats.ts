import { type Container, findContainer, listContainers, readContainer } from "../../container/face.ts";
import { measure, processorShare, type Resources } from "../../container/resources.ts";
import { isTerminal } from "../../kit/terminal.ts";
import type { Invocation } from "../command.ts";
import { humanSize } from "../render/human.ts";
import { type ListForm, renderList } from "../template/list.ts";

const FORM: ListForm = {
  columns: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
  type: "*container.statsContext",
  headers: {
    ID: "CONTAINER ID",
    Container: "CONTAINER",
    Name: "NAME",
    CPUPerc: "CPU %",
    MemUsage: "MEM USAGE / LIMIT",
    MemPerc: "MEM %",
    NetIO: "NET I/O",
    BlockIO: "BLOCK I/O",
    PIDs: "PIDS",
  },
};

/** Milliseconds between two measurements. */
const SPAN = 1000;

/** `nought stats`: what containers use, once or again and again. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args, storeDir } = call;
  const named = args.map((text) => ({ text, id: findContainer(storeDir, text).record.id }));
  const current = (): readonly Shown[] =>
    named.length > 0
      ? named.flatMap(({ text, id }) => shown(readContainer(storeDir, id), text))
      : listContainers(storeDir)
          .filter((one) => flags.bool("all") || one.state.status === "running")
          .flatMap((one) => shown(one, one.record.id));
  const rendered = (before: ReadonlyMap<string, Resources>, now: readonly Shown[]) =>
    renderList(
      FORM,
      now.map((one) => rowOf(one, before.get(one.container.record.id), flags.bool("no-trunc"))),
      { format: flags.string("format") },
    );
  let before = byId(current());
  for (;;) {
    await pause(call.signal);
    const now = current();
    const text = rendered(before, now);
    if (flags.bool("no-stream")) return call.out(text);
    // From the top of the screen, each line to its end, nothing below.
    call.out(isTerminal(1) ? `\x1b[H${text.replaceAll("\n", "\x1b[K\n")}\x1b[J` : text);
    before = byId(now);
  }
}

interface Shown {
  readonly container: Container;
  /** What it was asked for as. */
  readonly text: string;
  readonly used: Resources | undefined;
}

function shown(container: Container | undefined, text: string): readonly Shown[] {
  return container ? [{ container, text, used: container.state.status === "running" ? measure(container) : undefined }] : [];
}

function byId(all: readonly Shown[]): ReadonlyMap<string, Resources> {
  return new Map(all.flatMap(({ container, used }) => (used ? [[container.record.id, used]] : [])));
}

function rowOf({ container, text, used }: Shown, before: Resources | undefined, whole: boolean): Record<string, string> {
  const { id, name } = container.record;
  const cut = (one: string) => (whole ? one : one === id ? one.slice(0, 12) : one);
  const both = (one: number, other: number, size: (bytes: number) => string) => `${size(one)} / ${size(other)}`;
  return {
    Container: cut(text),
    ID: cut(id),
    Name: name,
    CPUPerc: `${(used && before ? processorShare(before, used) : 0).toFixed(2)}%`,
    MemUsage: both(used?.memory ?? 0, used?.limit ?? 0, binarySize),
    MemPerc: `${(used ? (used.memory / used.limit) * 100 : 0).toFixed(2)}%`,
    NetIO: both(used?.received ?? 0, used?.sent ?? 0, humanSize),
    BlockIO: both(used?.read ?? 0, used?.written ?? 0, humanSize),
    PIDs: `${used?.pids ?? 0}`,
  };
}

/** `23.54GiB`: four significant figures, as docker prints memory. */
function binarySize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, SPAN);
    signal.addEventListener("abort", stop, { once: true });
  });
}
