/**
 * Cuts a stream into blocks of one size, the last one smaller. The source may use its buffers again; so does this: a block is the
 * reader's until it asks for the `rounds`th block after it. No block for an empty stream.
 */
export async function* blocks(source: AsyncIterable<Uint8Array>, size: number, rounds: number): AsyncGenerator<Buffer> {
  const memory: Buffer[] = [];
  let count = 0;
  const next = () => {
    memory[count % rounds] ??= Buffer.allocUnsafeSlow(size);
    return memory[count++ % rounds] as Buffer;
  };
  let block = next();
  let used = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(size - used, chunk.length - at);
      block.set(chunk.subarray(at, at + take), used);
      used += take;
      at += take;
      if (used === size) {
        yield block;
        block = next();
        used = 0;
      }
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

/**
 * Does work on each item, at most `width` at a time, and gives the results in the order of the items. An item is done with when the
 * `width`th after it is asked for. The first failure ends it.
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
