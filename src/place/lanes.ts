/** Blobs below this cost a round trip and a sync of the disk, hardly any bytes: more of them go side by side. */
const SMALL = 1 << 20;
const SMALL_LANES = 5;
const LARGE_LANES = 3;

/**
 * Does work on each item, a few at a time: up to `wide` large ones, and beside them five of less than a mebibyte. `sizeOf` is bytes. The first
 * failure stops the rest from starting, and is thrown when all that had begun has ended.
 */
export async function bySize<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  work: (item: T) => Promise<void>,
  wide = LARGE_LANES,
): Promise<void> {
  const large = items.filter((item) => sizeOf(item) >= SMALL);
  const small = items.filter((item) => sizeOf(item) < SMALL);
  let failed = false;
  const lane = async (waiting: T[]) => {
    for (let item = waiting.shift(); item !== undefined && !failed; item = waiting.shift()) {
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = [
    ...Array.from({ length: Math.min(wide, large.length) }, () => lane(large)),
    ...Array.from({ length: Math.min(SMALL_LANES, small.length) }, () => lane(small)),
  ];
  for (const result of await Promise.allSettled(lanes)) if (result.status === "rejected") throw result.reason;
}
