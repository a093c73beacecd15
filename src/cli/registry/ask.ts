import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import type { Invocation } from "../command.ts";

/** Everything on standard input up to its end, without the line end at the end. Throws LIMIT, INTERRUPTED. */
export async function readAll(call: Invocation): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  const stop = () => process.stdin.destroy(call.signal.reason as Error);
  call.signal.addEventListener("abort", stop);
  try {
    for await (const piece of process.stdin as AsyncIterable<Buffer>) {
      size += piece.length;
      if (size > LIMITS.credentialBytes) throw new Failure("LIMIT", "what came on standard input is too long for a password");
      pieces.push(piece);
    }
  } finally {
    call.signal.removeEventListener("abort", stop);
  }
  return Buffer.concat(pieces)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

/** Asks a question on the terminal and reads a line; a `secret` one is not shown while it is typed. Throws INTERRUPTED. */
export async function askLine(call: Invocation, question: string, secret: boolean): Promise<string> {
  const input = process.stdin;
  call.err(question);
  input.setRawMode(secret);
  input.resume();
  input.setEncoding("utf8");
  let text = "";
  try {
    return await new Promise<string>((resolve, reject) => {
      const stop = () => reject(call.signal.reason as Error);
      call.signal.addEventListener("abort", stop, { once: true });
      input.on("end", () => resolve(text));
      input.on("data", (typed: string) => {
        for (const char of typed) {
          if (char === "\n" || char === "\r" || char === "\u0004") return resolve(text);
          if (char === "\u0003") return reject(new Failure("INTERRUPTED", "interrupted"));
          if (secret && (char === "\u007f" || char === "\b")) text = [...text].slice(0, -1).join("");
          else if (text.length < 65_536) text += char;
        }
      });
    });
  } finally {
    input.removeAllListeners("data");
    input.removeAllListeners("end");
    input.setRawMode(false);
    input.pause();
    if (secret) call.err("\n");
  }
}
