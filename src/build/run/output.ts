import { StringDecoder } from "node:string_decoder";
import type { Task } from "../../task/task.ts";

/** Hands the output of a step on as text; whoever shows it escapes what a terminal must not get. */
export function outputOf(id: string, task: Task): (stream: 1 | 2, chunk: Uint8Array) => void {
  const decoders = { 1: new StringDecoder("utf8"), 2: new StringDecoder("utf8") };
  return (stream, chunk) => {
    const text = decoders[stream].write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    if (text !== "") task.emit({ type: "output", id, stream, text });
  };
}
