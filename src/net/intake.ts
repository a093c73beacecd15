import type { Agent, IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** Where heads and small bodies land, of each connection. Bytes. */
const SMALL = 64 << 10;
/** Large bodies are handed on in blocks of this size; two of them per body are all the memory it takes. */
const BLOCK = 512 << 10;
/** A block with less room than this is handed on: reading a few bytes costs as much as reading many. */
const LEAST = 32 << 10;
/** Shorter bodies leave their connection to the next request; others end with it. Bytes, for this machine and for others. */
const WORTH = { near: 1 << 20, far: 16 << 20 };
/** Milliseconds after which what came is handed on, however little: somebody may be watching. */
const OVERDUE = 200;

/** The reading side of one connection. */
interface Intake {
  /** Takes the place of the parser of HTTP for the rest of a body. */
  body: Blocks | undefined;
  answer: IncomingMessage | undefined;
  /** Whether all that was read before has come out of the parser, which sees no more from then on. */
  direct: boolean;
}

const intakes = new WeakMap<object, Intake>();

/**
 * Makes an agent's connections able to read large bodies straight into memory that is used again (`bodyOf`). Node allocates 64 KiB for
 * every piece of a body and copies it once more in its parser; for a gigabyte the garbage collector then works longer than the hash. Not
 * for agents that speak through a proxy. Returns the agent.
 */
export function readingInBlocks<A extends Agent>(agent: A): A {
  const connect = agent.createConnection;
  agent.createConnection = function (options, done) {
    const intake: Intake = { body: undefined, answer: undefined, direct: false };
    const small = Buffer.allocUnsafeSlow(SMALL);
    const onread = {
      buffer() {
        if (intake.body === undefined) return small;
        intake.direct ||= socket.readableLength === 0 && intake.answer?.readableLength === 0;
        return (intake.direct ? intake.body.space() : undefined) ?? small;
      },
      callback(size: number, into: Uint8Array) {
        const { body } = intake;
        if (body === undefined || !intake.direct) return socket.push(Buffer.from(into.subarray(0, size)));
        // The first bytes after a pause land in the small buffer: there was no room in a block when reading stopped.
        if (into === small) body.take(small.subarray(0, size));
        else body.filled(size);
        if (body.complete) intake.body = undefined;
        return !body.stop();
      },
    };
    let socket: Socket;
    socket = connect.call(agent, { ...options, onread } as never, done) as Socket;
    intakes.set(socket, intake);
    return socket;
  } as A["createConnection"];
  return agent;
}

/**
 * The body of an answer, in blocks of half a megabyte where its length is known and it is large; then its connection ends with it. A block
 * is the caller's until the next one is asked for. Throws what the connection broke with.
 */
export async function* bodyOf(answer: IncomingMessage): AsyncGenerator<Buffer> {
  const { socket, headers } = answer;
  const intake = intakes.get(socket);
  const length = Number(headers["content-length"] ?? 0);
  const near = /^(?:127\.|::1$|::ffff:127\.)/.test(socket?.remoteAddress ?? "");
  if (intake === undefined || !(length >= (near ? WORTH.near : WORTH.far)) || headers["transfer-encoding"] !== undefined) {
    yield* answer as AsyncIterable<Buffer>;
    return;
  }
  const blocks = new Blocks(length, () => socket.resume());
  const take = (chunk: Buffer) => blocks.take(chunk);
  const broken = (error?: Error) => blocks.end(error ?? Object.assign(new Error("cut"), { code: "ECONNRESET" }));
  const closed = () => broken();
  try {
    intake.body = blocks;
    intake.answer = answer;
    intake.direct = false;
    answer.on("error", broken).on("close", closed).on("data", take);
    if (answer.destroyed) closed();
    yield* blocks.read();
  } finally {
    intake.body = undefined;
    answer.off("close", closed).off("data", take);
    // The parser waits for bytes that it will not see.
    answer.destroy();
  }
}

/** Whether a connection is silent because nobody takes what came, not because the other side says nothing. */
export function waitsForUs(answer: IncomingMessage): boolean {
  return answer.readableLength > 0 || (intakes.get(answer.socket)?.body?.stopped ?? false);
}

/** Two blocks that take turns: one is filled while the other is looked at. */
class Blocks {
  stopped = false;
  readonly #resume: () => void;
  readonly #free: Buffer[] = [Buffer.allocUnsafeSlow(BLOCK), Buffer.allocUnsafeSlow(BLOCK)];
  readonly #ready: Buffer[] = [];
  #current: Buffer | undefined;
  #fill = 0;
  /** Bytes of the body that are to come. */
  #left: number;
  #told = Date.now();
  #problem: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(length: number, resume: () => void) {
    this.#left = length;
    this.#resume = resume;
  }

  /** Room for the next bytes of the body, no more than are to come. Undefined where there is none. */
  space(): Buffer | undefined {
    if (this.#left === 0) return undefined;
    this.#current ??= this.#free.pop();
    return this.#current?.subarray(this.#fill, Math.min(BLOCK, this.#fill + this.#left));
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** So many bytes were read into the place that `space` gave. */
  filled(size: number): void {
    this.#fill += size;
    this.#left -= size;
    const due = BLOCK - this.#fill < LEAST || this.#left === 0 || Date.now() - this.#told > OVERDUE;
    if (due) this.#handOn();
  }

  /** Whether reading must stop until a block is free. */
  stop(): boolean {
    this.stopped = this.#left > 0 && this.space() === undefined;
    return this.stopped;
  }

  /** Bytes that were read elsewhere; what comes after the end of the body is not looked at. */
  take(read: Buffer): void {
    const chunk = read.subarray(0, this.#left);
    for (let at = 0; at < chunk.length; ) {
      // More than two blocks hold comes only from what was read before they were there.
      this.#current ??= this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
      const part = chunk.subarray(at, at + BLOCK - this.#fill);
      this.#current.set(part, this.#fill);
      at += part.length;
      this.filled(part.length);
    }
  }

  /** No more comes. */
  end(problem: Error): void {
    if (this.#left > 0) this.#problem ??= problem;
    if (this.#fill > 0) this.#handOn();
    this.#wake?.();
  }

  async *read(): AsyncGenerator<Buffer> {
    for (;;) {
      const block = this.#ready.shift();
      if (block) {
        yield block;
        if (this.#free.length < 2) this.#free.push(Buffer.from(block.buffer));
        if (this.stopped) {
          this.stopped = false;
          this.#resume();
        }
      } else if (this.#left === 0) return;
      else if (this.#problem) throw this.#problem;
      else
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
    }
  }

  #handOn(): void {
    this.#ready.push((this.#current as Buffer).subarray(0, this.#fill));
    this.#current = undefined;
    this.#fill = 0;
    this.#told = Date.now();
    this.#wake?.();
  }
}
