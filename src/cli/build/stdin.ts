import { createWriteStream } from "node:fs";
import { detect } from "../../format/detect.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { isTerminal } from "../../kit/terminal.ts";

/** Whether bytes begin a tar archive, compressed or not. At least 512 bytes are needed to see a plain one. */
export function looksLikeTar(head: Buffer): boolean {
  return detect(head) !== "other";
}

/** What came: an archive, now in a file, or the text of a Dockerfile. */
export type Incoming = { readonly kind: "tar"; readonly path: string } | { readonly kind: "text"; readonly text: string };

/**
 * Takes a stream in: what looks like a tar archive is written to the file that `spool` names, everything else is text and must be a
 * Dockerfile's size. Throws USAGE where nothing came, LIMIT.
 */
export async function takeIn(source: AsyncIterable<Buffer>, spool: () => Promise<string>): Promise<Incoming> {
  const head: Buffer[] = [];
  let size = 0;
  const rest = source[Symbol.asyncIterator]();
  let ended = false;
  while (size < 512 && !ended) {
    const { value, done } = await rest.next();
    if (done) ended = true;
    else {
      head.push(value);
      size += value.length;
    }
  }
  if (size === 0) throw new Failure("USAGE", "standard input is empty: neither a Dockerfile nor a tar archive came");
  if (!looksLikeTar(Buffer.concat(head))) return { kind: "text", text: await text(head, size, rest) };
  const path = await spool();
  const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
  // A failure of the file ends the wait for it below.
  const { finished } = await import("node:stream/promises");
  const over = finished(file);
  over.catch(() => {});
  const write = async (chunk: Buffer) => {
    if (!file.write(chunk)) await Promise.race([new Promise<void>((resolve) => file.once("drain", () => resolve())), over]);
  };
  for (const chunk of head) await write(chunk);
  for (let next = await rest.next(); !next.done; next = await rest.next()) await write(next.value);
  file.end();
  await over;
  return { kind: "tar", path };
}

async function text(head: Buffer[], already: number, rest: AsyncIterator<Buffer>): Promise<string> {
  let size = already;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    size += next.value.length;
    if (size > LIMITS.dockerfileBytes)
      throw new Failure("LIMIT", `the Dockerfile on standard input is larger than ${LIMITS.dockerfileBytes} bytes (limit dockerfileBytes)`);
    head.push(next.value);
  }
  if (size > LIMITS.dockerfileBytes)
    throw new Failure("LIMIT", `the Dockerfile on standard input is larger than ${LIMITS.dockerfileBytes} bytes (limit dockerfileBytes)`);
  return Buffer.concat(head).toString("utf8");
}

/** Standard input, unless it is a terminal where nobody would know what to type. Ends early when the signal does. Throws USAGE. */
export async function* standardInput(signal: AbortSignal): AsyncGenerator<Buffer, void, void> {
  if (isTerminal(0)) throw new Failure("USAGE", "standard input is a terminal: pipe a Dockerfile or a tar archive into it");
  const stop = () => process.stdin.destroy(signal.reason as Error);
  signal.addEventListener("abort", stop);
  try {
    for await (const chunk of process.stdin) yield chunk as Buffer;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
