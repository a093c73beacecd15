import type { TarSink } from "../../format/tar-write.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import { exportTar } from "../../tree/export.ts";
import { stack } from "../../tree/merge.ts";
import type { Container } from "../face.ts";
import { readContainer } from "./changes.ts";

/**
 * Writes a container's files as one tar: those of its image with what it changed, without what is mounted into it. Throws CHANGED for a
 * file that is being written to, and what readContainer throws.
 */
export async function exportContainer(store: ContentStore, container: Container, sink: TarSink, task: Task): Promise<void> {
  const { below, draft, shelf } = await readContainer(store, container, task);
  using walk = shelf.walk();
  await exportTar(stack(below, draft), walk.files, sink, task);
}
