import { createWriteStream } from "node:fs";

import type { Task } from "../../task/task.ts";

/** Fetches a URL into a new private file. Throws what fetchUrl throws, and STORAGE's causes as they are. */
export async function download(url: string, path: string, task: Task): Promise<void> {
  const { fetchUrl } = await import("../../net/fetch.ts");
  const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
  const { finished } = await import("node:stream/promises");
  const over = finished(file);
  // Reported where it is waited for.
  over.catch(() => {});
  const write = (chunk: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      file.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  try {
    await fetchUrl(url, { write }, { step: "internal/download" }, task);
  } finally {
    file.end();
  }
  await over;
}
