/**
 * Cuts a stream into blocks of one size, the last one smaller. Each block is a buffer of its own, so that the source may use its
 * buffers again. No block for an empty stream.
 */
export async function* blocks(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafeSlow(size);
  let used = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(size - used, chunk.length - at);
      block.set(chunk.subarray(at, at + take), used);
      used += take;
      at += take;
      if (used === size) {
        yield block;
        block = Buffer.allocUnsafeSlow(size);
        used = 0;
      }
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

/**
 * Does work on each item, at most `width` at a time, and gives the results in the order of the items. The first failure ends it.
 */
export async function* inFlight<T, R>(items: AsyncIterable<T>, width: number, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const one = work(item);
      // It is awaited below; until then a failure must not count as nobody's.
      one.catch(() => {});
      running.push(one);
      if (running.length >= width) yield await (running.shift() as Promise<R>);
    }
    while (running.length > 0) yield await (running.shift() as Promise<R>);
  } finally {
    await Promise.allSettled(running);
  }
}
