/** Whether this machine's own mirror of Debian can be used by a test. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Why nothing can be made of Debian's packages here, to be printed; undefined where it can. */
export function noMirror(suite = "trixie"): string | undefined {
  const folder = "/etc/apt/sources.list.d";
  const files = ["/etc/apt/sources.list", ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])];
  const named = files.some((file) => existsSync(file) && /^(?:deb |Types:.*\bdeb\b)/m.test(readFileSync(file, "utf8")));
  if (!named) return "this machine's apt names no mirror";
  return (answers[suite] ??= { why: ask(suite) }).why;
}

const answers: Record<string, { readonly why: string | undefined }> = {};

/** Asks once: the smallest of nought's images that needs a mirror. */
function ask(suite: string): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), "nought-mirror-"));
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, "src/cli/main.ts"), "--store", dir, "base", "build", "-q", `nought/tzdata:${suite}`],
    { encoding: "utf8", timeout: 120_000 },
  );
  rmSync(dir, { recursive: true, force: true });
  // Whatever else goes wrong is for the tests to show.
  const no = status === 6 || (status === 2 && stderr.includes("no mirror is known"));
  return no ? `the machine's mirror does not give ${suite}: ${stderr.slice(0, 300)}` : undefined;
}
