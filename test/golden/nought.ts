/** Builds a golden case with nought's own command line, bundled from the sources as they are now. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { validateImage } from "../../src/image/validate.ts";
import { openLayout } from "../../src/place/layout.ts";
import { createTask } from "../../src/task/task.ts";
import { type Case, type Expected, prepare } from "./case.ts";
import { readImage } from "./image.ts";
import { run } from "./run.ts";
import { withoutPort } from "./server.ts";

const ROOT = join(import.meta.dirname, "../..");

/**
 * The command to test: NOUGHT_UNDER_TEST split at blanks, else a bundle of src/cli/main.ts made now in dist/ (where its external
 * packages are found) and removed when the process ends.
 */
export async function noughtCommand(): Promise<readonly string[]> {
  const given = process.env.NOUGHT_UNDER_TEST?.trim();
  if (given) return given.split(/\s+/);
  const outfile = join(ROOT, "dist", `test-${process.pid}.cjs`);
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(ROOT, "src/cli/main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    external: ["@noble/ciphers", "@sigstore/bundle", "openpgp", "smol-toml", "yaml"],
    define: {
      NOUGHT_VERSION: JSON.stringify("0.0.0-test"),
      NOUGHT_DEB_WORKER: JSON.stringify(join(ROOT, "src/debian/deb-worker.ts")),
      "import.meta.dirname": "__dirname",
    },
    logLevel: "error",
    absWorkingDir: ROOT,
  });
  process.once("exit", () => rmSync(outfile, { force: true }));
  return [process.execPath, outfile];
}

/** The oracle over what came out: every claim of the image recomputed from its bytes. */
async function holds(layout: string): Promise<void> {
  const place = await openLayout(layout);
  for (const root of (await place.index()).manifests) {
    const wrong = (await validateImage(place, root, createTask())).filter((finding) => finding.level === "error");
    if (wrong.length > 0) throw new Error(wrong.map((finding) => `${finding.object}: ${finding.message}`).join("\n"));
  }
}

/** Builds with nought into a store of its own and reads the image, or nought's words. */
export async function buildWithNought(one: Case, command: readonly string[]): Promise<Expected> {
  const made = await prepare(one);
  const env = { ...process.env, NOUGHT_STORE: join(made.dir, "store"), SOURCE_DATE_EPOCH: undefined, NO_COLOR: "1", ...one.args.env };
  try {
    for (const words of made.before) {
      const done = await run(command, ["build", ...words], { cwd: made.dir, env });
      if (done.status !== 0) throw new Error(`${one.name}: ${done.stderr}`);
    }
    const output = ["-t", `nought-golden/${one.name}`, "-o", "type=oci,tar=false,dest=image"];
    const how = { cwd: made.dir, env, ...(made.input ? { input: made.input } : {}) };
    mkdirSync(join(made.dir, "store"), { recursive: true });
    const done = await run(command, ["build", ...output, ...made.words], how);
    if (done.status !== 0) return withoutPort({ docker: "", error: done.stderr.trim() || `exit ${done.status}` }, made.url);
    await holds(join(made.dir, "image"));
    return withoutPort({ docker: "", ...readImage(join(made.dir, "image")) }, made.url);
  } finally {
    await made.remove();
  }
}
