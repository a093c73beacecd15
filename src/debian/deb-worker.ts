import { createReadStream } from "node:fs";
import { type MessagePort, parentPort } from "node:worker_threads";
import { createTask } from "../task/task.ts";
import { type Deb, readDeb } from "./deb.ts";
import { DebContents } from "./deb-contents.ts";
import { type DebAnswer, type DebRequest, packFailure } from "./deb-message.ts";

// The thread that reads packages (deb-readers.ts starts it): one request after another, until it is ended.

const port = parentPort as MessagePort;

async function answer({ path, label, expect, memory, spill }: DebRequest): Promise<readonly [DebAnswer, ArrayBuffer | undefined]> {
  const notes: string[] = [];
  using contents = new DebContents(async () => spill, memory);
  try {
    const task = createTask((event) => void (event.type === "note" && notes.push(event.text)));
    const deb = await readDeb(createReadStream(path, { highWaterMark: 1 << 20 }), label, contents, task, expect);
    const buffer = bufferOf(deb);
    return [{ deb, held: contents.held, files: contents.handOver(), notes }, buffer];
  } catch (error) {
    return [packFailure(error), undefined];
  }
}

/** All contents of a package that are in memory are views of one buffer (DebContents). */
function bufferOf({ draft }: Deb): ArrayBuffer | undefined {
  for (const entry of draft) {
    if (entry.kind === "file" && entry.size > 0 && entry.content.in === "memory") return entry.content.bytes.buffer as ArrayBuffer;
  }
  return undefined;
}

port.on("message", async (request: DebRequest) => {
  const [message, buffer] = await answer(request);
  port.postMessage(message, buffer ? [buffer] : []);
});
