import type { Deb } from "../debian/deb.ts";
import type { DebContents } from "../debian/deb-contents.ts";
import { openDebReaders } from "../debian/deb-readers.ts";
import type { LockEntry } from "../debian/face.ts";
import { Failure } from "../kit/error.ts";
import type { MakeTools } from "./make.ts";

/** Packages of all stages on their way: each stage is waited for when it is made. */
export interface StageReads extends AsyncDisposable {
  /** The packages of a stage, in the order asked for. Throws the first failure of any package. */
  stage(index: number): Promise<readonly Deb[]>;
}

/** Packages fetched at a time; as many again may wait to be read. */
const WIDTH = 4;

/**
 * Fetches and reads the packages of all stages side by side: those of lower stages first, so that their layers are made while others are
 * unpacked, and of each stage the large ones, so that no core waits for one of them at the end. What is running has ended when this is
 * disposed of.
 */
export function readStages(
  stages: readonly (readonly LockEntry[])[],
  contents: DebContents,
  { archive, store, task, early }: Pick<MakeTools, "archive" | "store" | "task" | "early">,
): StageReads {
  const wanted = stages.flat();
  const packed = wanted.reduce((sum, { size }) => sum + size, 0);
  const readers = openDebReaders(packed, { contents, temporary: () => store.temporary(), task, early });
  const queue = stages.flatMap((stage) => [...stage].sort((a, b) => b.size - a.size));
  const reads = new Map(wanted.map((entry) => [entry, Promise.withResolvers<Deb>()]));
  let over: unknown;
  // A failure that nobody waits for yet is told by the stage that is waited for first.
  for (const { promise } of reads.values()) promise.catch(() => {});
  const lane = async () => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      const { resolve, reject } = reads.get(entry) as PromiseWithResolvers<Deb>;
      try {
        if (over !== undefined) throw over;
        if (task.signal.aborted) throw new Failure("INTERRUPTED", "interrupted while packages were read");
        const file = await archive.fetchDeb(entry, task);
        resolve(await readers.read(file, `${entry.name} ${entry.version}`, entry));
      } catch (error) {
        over ??= error;
        reject(over);
      }
    }
  };
  const lanes = Array.from({ length: Math.min(2 * WIDTH, wanted.length) }, lane);
  return {
    stage: (index) => Promise.all((stages[index] ?? []).map((entry) => (reads.get(entry) as PromiseWithResolvers<Deb>).promise)),
    async [Symbol.asyncDispose]() {
      over ??= new Failure("INTERRUPTED", "packages are not read any more");
      await readers[Symbol.asyncDispose]();
      await Promise.all(lanes);
    },
  };
}
