/** What the whole-program tests of `nought build` share: a context, a program with its own store, and a judge of that store. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { validateImage } from "../src/image/validate.ts";
import { parseReference, withDefaultTag } from "../src/oci/reference.ts";
import { resolveHeld } from "../src/store/resolve-held.ts";
import { openStore } from "../src/store/store.ts";
import { createTask } from "../src/task/task.ts";

const task = createTask();

/** Several layers, two stages, every kind of source; `text` makes one build differ from another. */
export function dockerfile(text = ""): string {
  return `FROM scratch AS one
COPY dir /dir
WORKDIR /work
COPY <<E /note
${text}
E
FROM scratch
COPY --from=one /dir/a /note /out/
COPY large /large
ENV A=b
ENTRYPOINT ["/out/a"]
`;
}

/** A context for that Dockerfile; `large` has so many bytes. */
export function context(name: string, large = 400_000, text = ""): Record<string, string | Buffer> {
  return {
    [`${name}/Dockerfile`]: dockerfile(text),
    [`${name}/dir/a`]: "a".repeat(1000),
    [`${name}/dir/sub/b`]: "b",
    [`${name}/large`]: Buffer.alloc(large, name),
  };
}

/** The digest that a name has in a store; undefined where it has none. */
export async function digestOfName(dir: string, name: string): Promise<string | undefined> {
  await using store = await openStore(dir);
  return (await store.resolve(withDefaultTag(parseReference(name)), task))?.digest;
}

/** Holds A3, A5 and A8 of a store: nothing is damaged or half, nothing is left of the dead, and every image is whole, byte for byte. */
export async function assertWhole(dir: string, what: string): Promise<void> {
  if (!existsSync(dir)) return;
  await using store = await openStore(dir);
  assert.deepEqual(
    (await store.check()).filter((one) => one.level === "error").map((one) => one.message),
    [],
    `${what}: the store is whole`,
  );
  for (const { name } of await store.names()) {
    const root = await resolveHeld(store, name, task);
    assert(root, `${what}: ${name.repository} is there`);
    assert.deepEqual(
      (await validateImage(store, root, task)).filter((one) => one.level === "error"),
      [],
      `${what}: ${name.repository}`,
    );
  }
}

/** Nothing of a dead process is in the store; a later nought command has been run by then. */
export function assertTidy(dir: string, what: string): void {
  for (const part of ["tmp", "trash"]) {
    const folder = join(dir, part);
    assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], [], `${what}: ${part} is empty`);
  }
}
