import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { createTask } from "../../task/task.ts";
import { toPath } from "../../tree/path.ts";
import type { Invocation } from "../command.ts";
import { contentOf } from "../files/content.ts";
import { findEntry } from "../files/find.ts";
import { openFiles } from "../files/open.ts";

/** `nought cat`: files of an image on standard output, byte for byte. */
export async function run(call: Invocation): Promise<void> {
  const [text = "", ...paths] = call.args;
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  await using files = await openFiles(call, text, call.flags.string("platform"), task);
  for (const path of paths) {
    const entry = await findEntry(files.image, files.shelf, toPath(path));
    const refuse = (why: string) => new Failure("NOT_FOUND", `${printable(path)}: ${why}`);
    if (!entry) throw refuse("no such file in the image");
    if (entry.kind !== "file") throw refuse(entry.kind === "dir" ? "is a directory" : "is no regular file");
    for await (const piece of contentOf(files.from, files.image, entry)) call.out(piece);
  }
  await (await call.store()).flush();
}
