import { assemble } from "../../image/assemble.ts";
import type { Image } from "../../image/layer.ts";
import { seal } from "../../image/seal.ts";
import type { ContainerConfig } from "../../oci/config.ts";
import type { ContentStore } from "../../store/face.ts";
import type { Task } from "../../task/task.ts";
import type { Container } from "../face.ts";
import { readContainer } from "./changes.ts";

/** What a committed image says of itself. */
export interface CommitFacts {
  readonly author?: string;
  readonly message?: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly config: ContainerConfig;
}

/**
 * Makes an image of a container: its image's layers and one of what it changed, if it changed anything. What is mounted into it is not
 * part of it. Naming the image is the caller's. Throws CHANGED for a file that is being written to, and what readContainer throws.
 */
export async function commitContainer(store: ContentStore, container: Container, facts: CommitFacts, task: Task): Promise<Image> {
  const { image, draft, shelf } = await readContainer(store, container, task);
  const layers = [...image.layers];
  if (draft.length > 0) {
    const sealed = await seal(draft, shelf.open, store.writer(), task);
    await shelf.add(sealed.layer, sealed.draft);
    layers.push(sealed.layer);
  }
  const created = new Date(facts.created * 1000).toISOString().replace(".000Z", "Z");
  const { author: _, ...rest } = image.config;
  const author = facts.author ? { author: facts.author } : {};
  const assembled = assemble(
    layers,
    {
      ...rest,
      ...author,
      created,
      config: facts.config,
      rootfs: { type: "layers", diff_ids: layers.map((one) => one.diffId) },
      history: [
        ...image.config.history,
        {
          created,
          ...author,
          created_by: (container.record.config.Cmd ?? []).join(" "),
          ...(facts.message ? { comment: facts.message } : {}),
          ...(draft.length === 0 ? { empty_layer: true } : {}),
        },
      ],
    },
    {},
  );
  await store.putMany([assembled.configBytes, assembled.manifestBytes]);
  return assembled.image;
}
