/** Proof that what was measured was a build: the image holds the files of the context, byte for byte in number and size. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readImage } from "../test/golden/image.ts";
import type { Context } from "./contexts.ts";
import { time } from "./measure.ts";
import { noughtPrefix } from "./tools.ts";

/** Builds once more into a layout, reads that with a reader of the tests' own, and counts. */
export function proveImage(context: Context, work: string, label: string): void {
  const dest = join(work, `proof-${label}`);
  const command = [
    ...noughtPrefix(),
    "--store",
    join(work, `store-${label}`),
    "build",
    "-q",
    "-o",
    `type=oci,tar=false,dest=${dest}`,
    context.dir,
  ];
  time(command);
  const files = Object.values(readImage(dest).tree).filter((row) => row.type === "file");
  assert.equal(files.length, context.files, `files of ${context.dir}`);
  assert.equal(
    files.reduce((sum, row) => sum + (row.size ?? 0), 0),
    context.bytes,
    `bytes of ${context.dir}`,
  );
}
