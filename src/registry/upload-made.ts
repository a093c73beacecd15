import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { hasher } from "../oci/digest.ts";
import type { Rereadable } from "../oci/place.ts";
import { forget } from "./answer.ts";
import { createPatience, isPassing } from "./pause.ts";
import { begin, finish, type Known, locationOf, lost, reset, SMALL, type Uploader, uploadKnown } from "./upload.ts";

/**
 * Sends a blob that is made while it is sent, so that its digest is known at the end only: one PATCH without a length, then the PUT that
 * names the digest, as docker and skopeo do. Where the line breaks it is made again from its beginning. What turns out to be small goes in
 * one piece. Throws what making it throws, NETWORK, AUTH, and a Refusal where a registry takes no bodies of unknown length.
 */
export async function uploadMade(to: Uploader, source: Rereadable): Promise<Known> {
  const patience = createPatience(to.retryMs, to.task, (problem) =>
    to.task.emit({ type: "note", text: `${(problem as Failure).message}; beginning anew` }),
  );
  for (;;) {
    const making = new Making(source.from(0));
    try {
      const head = await making.head();
      if (making.ended) {
        await uploadKnown(to, Buffer.concat(head), making.known(), undefined);
        return making.known();
      }
      try {
        return await stream(to, making, head);
      } catch (problem) {
        if (!isPassing(problem) && !lost(problem)) throw problem;
        const again = lost(problem) ? reset(problem) : problem;
        if (!(await patience.again(again, (problem as { retryAfter?: string }).retryAfter))) throw problem;
      }
    } finally {
      await making.close();
    }
  }
}

async function stream(to: Uploader, making: Making, head: readonly Uint8Array[]): Promise<Known> {
  const { location } = await begin(to);
  const answer = await to.client.ask(
    {
      method: "PATCH",
      to: location,
      rights: to.rights,
      headers: { "content-type": "application/octet-stream" },
      body: making.all(head),
      accept: [202, 201, 204],
      what: `upload to ${to.repository}`,
      answerMs: LIMITS.answerMs,
    },
    to.task,
  );
  await forget(answer);
  // A registry that answers before it has everything keeps a part.
  if (!making.ended) throw new Failure("NETWORK", `upload to ${to.repository}: the registry did not wait for the end`, { cause: CUT });
  await finish(to, locationOf(answer, to, location), making.known(), new Uint8Array(0));
  return making.known();
}

const CUT = Object.assign(new Error("cut"), { code: "ECONNRESET" });

/** Bytes that come out of some work, counted and hashed on their way. */
class Making {
  ended = false;
  readonly #bytes: AsyncIterator<Uint8Array>;
  readonly #hash = hasher();
  #size = 0;
  #known: Known | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#bytes = source[Symbol.asyncIterator]();
  }

  /** The first pieces, more than SMALL bytes unless it ends before. */
  async head(): Promise<Uint8Array[]> {
    const head: Uint8Array[] = [];
    while (this.#size <= SMALL) {
      const piece = await this.#next();
      if (piece === undefined) break;
      // Its memory may be used again.
      head.push(Buffer.from(piece));
    }
    return head;
  }

  async *all(head: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* head;
    for (let piece = await this.#next(); piece; piece = await this.#next()) yield piece;
  }

  /** What came, once it has ended. */
  known(): Known {
    this.#known ??= { digest: this.#hash.digest(), size: this.#size };
    return this.#known;
  }

  async close(): Promise<void> {
    await this.#bytes.return?.();
  }

  async #next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#bytes.next();
    if (done) this.ended = true;
    if (done) return undefined;
    this.#hash.update(value);
    this.#size += value.length;
    return value;
  }
}
