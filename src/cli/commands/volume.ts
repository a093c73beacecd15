import { randomBytes } from "node:crypto";
import { createVolume, findVolume, listVolumes, removeVolume, sweepVolumes, type Volume } from "../../container/volume-list.ts";
import { Failure } from "../../kit/error.ts";
import { enterUserNamespace } from "../../sandbox/userns.ts";
import type { Invocation } from "../command.ts";
import { forEachWord } from "../container/each.ts";
import { invalidFilter, readFilter } from "../image-filter.ts";
import { confirm } from "../prompt.ts";
import { rfc3339 } from "../render/human.ts";
import { prettyJson } from "../render/json.ts";
import { compileTemplate } from "../template/execute.ts";
import { type ListForm, renderList } from "../template/list.ts";
import { goJson, Nil, Row } from "../template/value.ts";

const FORM: ListForm = {
  columns: "{{.Driver}}\t{{.Name}}",
  quiet: "{{.Name}}",
  type: "*formatter.volumeContext",
  headers: { Driver: "DRIVER", Name: "VOLUME NAME", Scope: "SCOPE", Mountpoint: "MOUNTPOINT", Labels: "LABELS" },
};

/** `nought volume ls|inspect|create|rm|prune`: directories that stay when containers go. */
export async function run(call: Invocation): Promise<number> {
  switch (call.path.split(" ")[1]) {
    case "ls":
    case "list":
      return list(call);
    case "inspect":
      return inspect(call);
    case "create": {
      const name = call.args[0] ?? randomBytes(32).toString("hex");
      enterUserNamespace();
      createVolume(call.storeDir, name);
      call.out(`${name}\n`);
      return 0;
    }
    case "prune":
      return prune(call);
    default:
      return remove(call);
  }
}

function list(call: Invocation): number {
  const keep = filterOf(call);
  const rows = listVolumes(call.storeDir)
    .filter(keep)
    .map((one) => ({ Driver: "local", Labels: "", Links: "N/A", Mountpoint: one.path, Name: one.name, Scope: "local", Size: "N/A" }));
  call.out(renderList(FORM, rows, { format: call.flags.string("format"), quiet: call.flags.bool("quiet") }));
  return 0;
}

function filterOf(call: Invocation): (volume: Volume) => boolean {
  const tests = call.flags.list("filter").map((text) => {
    const { name, value } = readFilter(text);
    if (name === "name") return (one: Volume) => one.name.includes(value);
    if (name === "dangling" && /^(?:true|false|1|0)$/.test(value)) {
      const wanted = value === "true" || value === "1";
      return (one: Volume) => (one.users.length === 0) === wanted;
    }
    if (name === "driver") return () => value === "local";
    throw invalidFilter(name);
  });
  return (one) => tests.every((test) => test(one));
}

async function inspect(call: Invocation): Promise<number> {
  const format = call.flags.string("format");
  const template = format && format !== "json" ? compileTemplate(format, {}, 64) : undefined;
  const shown: unknown[] = [];
  const code = await forEachWord(call, (word) => {
    const { name, path, created } = findVolume(call.storeDir, word);
    const json = {
      CreatedAt: rfc3339(created),
      Driver: "local",
      Labels: null,
      Mountpoint: path,
      Name: name,
      Options: null,
      Scope: "local",
    };
    const none = new Nil("map[]");
    const row = new Row("struct", "volume.Volume", { ...json, Labels: none, Options: none }, json);
    if (template) call.out(`${template.execute(row)}\n`);
    else if (format === "json") call.out(`${goJson(row)}\n`);
    else shown.push(json);
  });
  if (!format) call.out(`${prettyJson(shown)}\n`);
  return code;
}

function remove(call: Invocation): Promise<number> {
  enterUserNamespace();
  return forEachWord(call, (word) => {
    try {
      removeVolume(call.storeDir, findVolume(call.storeDir, word));
    } catch (error) {
      if (!(call.flags.bool("force") && error instanceof Failure && error.code === "NOT_FOUND")) throw error;
    }
    call.out(`${word}\n`);
  });
}

async function prune(call: Invocation): Promise<number> {
  enterUserNamespace();
  const question = "This will remove all volumes not used by at least one container.\nAre you sure you want to continue?";
  if (!call.flags.bool("force") && !(await confirm(call, question))) return 0;
  sweepVolumes(call.storeDir);
  const removed = listVolumes(call.storeDir).filter((one) => one.users.length === 0);
  for (const one of removed) removeVolume(call.storeDir, one);
  if (removed.length > 0) call.out(`Deleted Volumes:\n${removed.map((one) => one.name).join("\n")}\n`);
  return 0;
}
