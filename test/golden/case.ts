/** Golden cases: folders of testdata/golden, made into something that a builder can build. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archive, makeTree, type Node } from "./context.ts";
import type { Picture } from "./image.ts";
import { serve } from "./server.ts";

export const GOLDEN = join(import.meta.dirname, "../../testdata/golden");

/** Where Debian has its static busybox. */
export const BUSYBOX = "/bin/busybox";

/** Programs by fixed names, whatever this version of busybox has, and users. */
const BASE = `FROM scratch
COPY busybox /bin/busybox
SHELL ["/bin/busybox", "sh", "-c"]
RUN for p in cat chgrp chmod chown cp cut date echo env false grep head id ln ls mkdir mkfifo mv printf pwd readlink rm rmdir sed seq sh sleep sort stat tail tar test touch tr true umask wc whoami; do busybox ln -s busybox /bin/$p; done
COPY <<passwd <<group /etc/
root:x:0:0:root:/root:/bin/sh
app:x:1000:1000::/home/app:/bin/sh
passwd
root:x:0:
app:x:1000:
more:x:2000:app
group
WORKDIR /
SHELL ["/bin/sh", "-c"]
`;

/** args.json: all optional. */
export interface Args {
  /** Flags of the build, run in the case's folder: `--build-context other=other` finds tree.json's "other". */
  readonly flags?: readonly string[];
  /** "context" unless said; "-" is the Dockerfile on standard input, "-tar" the context as an archive on standard input. */
  readonly context?: string;
  /** Builds that come first, each a Dockerfile of the case's folder and the name of its image. */
  readonly before?: readonly { readonly file: string; readonly tag: string; readonly flags?: readonly string[] }[];
  /** The build must fail, and the message must have all of these words in it. */
  readonly fails?: readonly string[];
  /** Words of nought's message where docker's are not worth repeating. */
  readonly says?: readonly string[];
  /** What docker must be for its answer to count: "containerd" (image store; the classic one ignores --link), "--parents" (frontend 1.20), "xz" (an xz program). */
  readonly needs?: "containerd" | "--parents" | "xz";
  /** The folder "served" of tree.json is on the web while the build runs; the build argument URL is its address. */
  readonly serve?: true;
  /** There is an image "busybox" to run something in, with the machine's own static busybox; RUN has no network. */
  readonly busybox?: true;
  /** Environment of the builder. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Case {
  readonly name: string;
  readonly dir: string;
  readonly args: Args;
}

/** What record.ts writes: the picture, or docker's words. */
export type Expected = { readonly docker: string } & (Picture | { readonly error: string });

export function isFailure(expected: Expected): expected is Expected & { readonly error: string } {
  return "error" in expected;
}

export function allCases(): Case[] {
  return readdirSync(GOLDEN, { withFileTypes: true })
    .filter((one) => one.isDirectory())
    .map((one) => one.name)
    .sort()
    .map((name) => {
      const dir = join(GOLDEN, name);
      const file = join(dir, "args.json");
      return { name, dir, args: existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {} };
    });
}

export function expectedOf(one: Case): Expected | undefined {
  const file = join(one.dir, "expected.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

export interface Prepared {
  /** The working folder; `context` lies in it. */
  readonly dir: string;
  /** Words of the builds that come first. */
  readonly before: readonly (readonly string[])[];
  /** What goes to the builder's standard input. */
  readonly input?: Buffer;
  /** The last words of the command line. */
  readonly words: readonly string[];
  /** Address of the web server, where the case has one. */
  readonly url?: string;
  remove(): Promise<void>;
}

/**
 * Makes a case's folders under the temporary folder. With `unique` the folders of the contexts get names of their own: BuildKit
 * takes a file over from an earlier context of the same name if size and time agree, whatever it holds.
 */
export async function prepare(one: Case, unique = false): Promise<Prepared> {
  const dir = mkdtempSync(join(tmpdir(), "nought-golden-"));
  const own = join(one.dir, "tree.json");
  const tree = JSON.parse(readFileSync(existsSync(own) ? own : join(GOLDEN, "tree.json"), "utf8"));
  const named: Record<string, readonly Node[]> = Array.isArray(tree) ? { context: tree } : tree;
  const suffix = unique ? dir.slice(-6) : "";
  for (const [name, nodes] of Object.entries(named)) makeTree(join(dir, name + suffix), nodes);
  const context = join(dir, `context${suffix}`);
  mkdirSync(context, { recursive: true });
  const place = (word: string) =>
    ["context", ...Object.keys(named)].reduce((all, name) => {
      const at = all === name || all.startsWith(`${name}/`) ? 0 : all.endsWith(`=${name}`) ? all.length - name.length : -1;
      return at < 0 ? all : all.slice(0, at) + name + suffix + all.slice(at + name.length);
    }, word);
  const dockerfile = readFileSync(join(one.dir, "Dockerfile"));
  for (const file of readdirSync(one.dir)) {
    if (file.endsWith("Dockerfile") || file.endsWith("dockerignore")) cpSync(join(one.dir, file), join(context, file));
  }
  const served = one.args.serve ? await serve(join(dir, `served${suffix}`)) : undefined;
  const remove = async () => {
    await served?.close();
    rmSync(dir, { recursive: true, force: true });
  };
  const flags = [...(one.args.flags ?? []).map(place), ...(served ? ["--build-arg", `URL=${served.url}`] : [])];
  if (one.args.busybox) {
    mkdirSync(join(dir, `base${suffix}`));
    cpSync(BUSYBOX, join(dir, `base${suffix}`, "busybox"));
    writeFileSync(join(dir, `base${suffix}`, "Dockerfile"), BASE);
    flags.unshift("--network=none");
  }
  const base = one.args.busybox ? [["-t", "busybox", "--network=none", join(dir, `base${suffix}`)]] : [];
  const before = (one.args.before ?? []).map(({ file, tag, flags: more = [] }) => ["-t", tag, "-f", join(context, file), ...more, context]);
  const made = { dir, before: [...base, ...before], remove, ...(served ? { url: served.url } : {}) };
  if (one.args.context === "-") return { ...made, input: dockerfile, words: [...flags, "-"] };
  if (one.args.context === "-tar") {
    const file: Node = { path: "Dockerfile", base64: dockerfile.toString("base64") };
    return { ...made, input: archive([...(named.context ?? []), file]), words: [...flags, "-"] };
  }
  return { ...made, words: [...flags, place(one.args.context ?? "context")] };
}

/** Writes expected.json: one line for each path, layer and history entry, so that a difference reads well. */
export function writeExpected(one: Case, expected: Expected): void {
  const list = (items: readonly unknown[]) =>
    items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
  const map = (items: object) => {
    const rows = Object.entries(items).map(([key, value]) => `    ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
    return rows.length === 0 ? "{}" : `{\n${rows.join(",\n")}\n  }`;
  };
  const head = `{\n  "docker": ${JSON.stringify(expected.docker)},\n`;
  const body = isFailure(expected)
    ? `  "error": ${JSON.stringify(expected.error)}\n}\n`
    : `  "tree": ${map(expected.tree)},\n  "layers": ${list(expected.layers)},\n  "config": ${map(expected.config)},\n  "history": ${list(expected.history)}\n}\n`;
  writeFileSync(join(one.dir, "expected.json"), head + body);
}
