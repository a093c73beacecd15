import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { encodeName } from "../src/kit/bytes.ts";

/** What another reader says of an archive: one line for each member, or why it does not read it. */
export type Listing = { readonly members: readonly string[] } | { readonly refused: string };

/** Another program that lists archives. */
export interface Peer {
  list(archive: Buffer): Promise<Listing>;
  close(): void;
}

const SCRIPT = `
import io, json, struct, sys, tarfile
def read(n):
    data = sys.stdin.buffer.read(n)
    if len(data) < n: sys.exit(0)
    return data
KINDS = {b"0": "file", b"\\0": "file", b"7": "file", b"1": "hardlink", b"2": "symlink", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}
while True:
    data = read(struct.unpack(">I", read(4))[0])
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            out = {"members": [{"type": KINDS.get(m.type, "?"), "path": m.name, "link": m.linkname, "mode": m.mode, "uid": m.uid, "gid": m.gid,
                "size": m.size, "mtime": float(m.mtime), "major": m.devmajor, "minor": m.devminor} for m in archive]}
    except Exception as problem:
        out = {"refused": "%s: %s" % (type(problem).__name__, problem)}
    sys.stdout.write(json.dumps(out) + "\\n")
    sys.stdout.flush()
`;

/** A member as Python's tarfile tells it. */
export interface PythonMember {
  readonly type: string;
  readonly path: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/** Python's tarfile in a process that stays; undefined where python3 is not installed. `line` makes a member a line. */
export function python(line: (member: PythonMember) => string): Peer | undefined {
  if (spawnSync("python3", ["-c", "import tarfile"]).status !== 0) return undefined;
  const child: ChildProcess = spawn("python3", ["-c", SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  const waiting: ((answer: string) => void)[] = [];
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      waiting.shift()?.(text.slice(0, end));
      text = text.slice(end + 1);
    }
  });
  child.on("exit", () => {
    for (const tell of waiting) tell('{"refused":"python ended"}');
  });
  return {
    async list(archive) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(archive.length);
      const answer = new Promise<string>((resolve) => waiting.push(resolve));
      child.stdin?.write(Buffer.concat([length, archive]));
      const said = JSON.parse(await answer) as { members: PythonMember[] } | { refused: string };
      return "members" in said ? { members: said.members.map(line) } : said;
    },
    close: () => child.stdin?.end(),
  };
}

/** Type with permissions, owner, size or device number, and the time, which is a plain number where no year can be told. */
const COLUMNS = /^(\S+) (\S+) +(\S+) +(?:\d{4,}-\d\d-\d\d \d\d:\d\d|-?\d+) +/;

/** GNU tar, started for each archive; undefined where tar is another one. Its lines are those of `gnuLine`. */
export function gnuTar(): Peer | undefined {
  const version = spawnSync("tar", ["--version"], { encoding: "utf8" });
  if (version.status !== 0 || !version.stdout.includes("GNU tar")) return undefined;
  return {
    list(archive) {
      const child = spawn("tar", ["-tvPf", "-", "--numeric-owner", "--quoting-style=escape", "--utc"], {
        env: { ...process.env, LC_ALL: "C" },
      });
      const out: Buffer[] = [];
      const complaints: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
      child.stdin.on("error", () => {});
      child.stdin.end(archive);
      return new Promise((resolve) =>
        child.on("close", (status) => {
          if (status !== 0) return resolve({ refused: Buffer.concat(complaints).toString() });
          const lines = Buffer.concat(out).toString("latin1").split("\n").slice(0, -1);
          resolve({ members: lines.map((line) => squeezed(line.replace(COLUMNS, "$1 $2 $3 ").replace(/^C/, "-"))) });
        }),
      );
    },
    close: () => {},
  };
}

const LETTERS: Readonly<Record<string, string>> = { file: "-", dir: "d", symlink: "l", hardlink: "h", char: "c", block: "b", fifo: "p" };
const SHORT: Readonly<Record<number, string>> = { 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\" };

/** The line that GNU tar prints for a member with --numeric-owner and --quoting-style=escape, without its time. */
export function gnuLine(member: Omit<PythonMember, "mtime">): string {
  const name = `${quoted(member.path)}${member.type === "symlink" ? ` -> ${quoted(member.link)}` : member.type === "hardlink" ? ` link to ${quoted(member.link)}` : ""}`;
  const size = member.type === "char" || member.type === "block" ? `${member.major},${member.minor}` : String(member.size);
  return squeezed(`${LETTERS[member.type]}${permissions(member.mode)} ${member.uid}/${member.gid} ${size} ${name}`);
}

/** GNU tar aligns its columns, so that spaces before a name cannot be told from its own. */
function squeezed(line: string): string {
  return line.replace(/ +/g, " ");
}

function permissions(mode: number): string {
  let out = "";
  for (const [shift, special, yes, no] of [
    [6, 0o4000, "s", "S"],
    [3, 0o2000, "s", "S"],
    [0, 0o1000, "t", "T"],
  ] as const) {
    const bits = (mode >> shift) & 7;
    out += `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}`;
    out += mode & special ? (bits & 1 ? yes : no) : bits & 1 ? "x" : "-";
  }
  return out;
}

function quoted(name: string): string {
  let out = "";
  for (const byte of encodeName(name)) {
    if (SHORT[byte]) out += SHORT[byte];
    else if (byte < 0x20 || byte >= 0x7f) out += `\\${byte.toString(8).padStart(3, "0")}`;
    else out += String.fromCharCode(byte);
  }
  return out;
}
