import { writeFileSync } from "node:fs";
import { printable } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { shortLabels } from "../registry/labels.ts";
import { readPacking } from "../registry/packing.ts";
import { barsFor } from "../render/bars.ts";
import { copyBetween } from "../transfer/copy.ts";
import { readPlaceWord } from "../transfer/word.ts";

/** `nought copy`, and `nought cp` where a word names a transport: an image from one place to another. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const [from = "", to = ""] = call.args;
  const [source, target] = [readPlaceWord(from), readPlaceWord(to)];
  const own = call.path !== "cp" && call.path !== "container cp";
  const platform = own ? flags.string("platform") : undefined;
  const packing = own ? readPacking(flags) : { compression: "gzip" as const, force: false };
  const bars = barsFor(call.env, flags.bool("quiet"));
  const task = createTask(shortLabels(bars.listener), call.signal);
  try {
    const referrers = own && flags.bool("referrers");
    const how = { packing, referrers, ...(platform === undefined ? {} : { platform: parsePlatform(platform) }) };
    const { digest } = await copyBetween(call, source, target, how, task);
    bars.finish();
    call.out(`${digest}\n`);
    const file = own ? flags.string("digestfile") : undefined;
    if (file !== undefined) writeDigest(file, digest);
  } finally {
    bars.finish();
  }
}

function writeDigest(path: string, digest: string): void {
  try {
    writeFileSync(path, digest);
  } catch (error) {
    throw storageFailure(error, "could not write", printable(path));
  }
}
