import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { quietly } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import type { Layout } from "./layout.ts";
import { sweepSessions } from "./session.ts";

/**
 * Does what frees space, also on a disk that is full: when `work` fails with NO_SPACE, everything goes that can be made again
 * or belongs to nobody (indexes, scratch files, leftovers, set-aside blobs), and it is done once more. That much is enough
 * for the few small files that a collection needs before it frees the rest.
 */
export async function withRoom<T>(layout: Layout, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "NO_SPACE") throw error;
    sweepSessions(layout);
    for (const folder of [layout.index, layout.scratch, layout.damaged])
      quietly(() => {
        for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
      });
    return await work();
  }
}
