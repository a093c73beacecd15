/** Builds for tests: a folder for contexts, a store of its own, and the oracle over every image that comes out. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type BuildResult, build } from "../src/build/build.ts";
import type { BuildRequest } from "../src/build/request.ts";
import { validateImage } from "../src/image/validate.ts";
import { openShelf } from "../src/shelf/shelf.ts";
import type { ContentStore } from "../src/store/face.ts";
import { openStore } from "../src/store/store.ts";
import { createTask, type TaskEvent } from "../src/task/task.ts";
import type { Entry } from "../src/tree/entry.ts";
import { mergeTree } from "../src/tree/merge.ts";
import { toPath } from "../src/tree/path.ts";

/** A context as data: text is a file, `{ link }` a symlink, an object with other keys a folder. */
export interface Files {
  readonly [name: string]: string | Buffer | { readonly link: string } | Files;
}

export function writeFiles(dir: string, files: Files): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, what] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof what === "string" || Buffer.isBuffer(what)) writeFileSync(path, what);
    else if (typeof what.link === "string") symlinkSync(what.link, path);
    else writeFiles(path, what as Files);
  }
}

/** A request for a build of nothing in particular; the rest of it belongs to the test. */
export const BLANK = {
  names: [],
  buildArgs: {},
  labels: {},
  annotations: {},
  contexts: {},
  noCache: false,
  noCacheFilter: [],
  pull: false,
  addHosts: [],
  secrets: [],
  ssh: [],
  outputs: [],
} as const satisfies Partial<BuildRequest>;

export interface Outcome {
  readonly result: BuildResult;
  readonly events: readonly TaskEvent[];
  /** Labels of the steps that were performed, and of those that were not. */
  readonly done: readonly string[];
  readonly cached: readonly string[];
  /** Digest of the manifest. */
  readonly digest: string;
  /** What the image holds at a path. */
  get(path: string): Promise<Entry | undefined>;
  text(path: string): Promise<string>;
  /** What its layers hold, one after the other. */
  entries(): Promise<Entry[]>;
}

export class Workbench implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "nought-bench-"));
  readonly storeDir = join(this.dir, "store");
  #store: Promise<ContentStore> | undefined;

  get store(): Promise<ContentStore> {
    this.#store ??= openStore(this.storeDir);
    return this.#store;
  }

  /** A folder with these files; made anew each time under a name of its own. */
  folder(name: string, files: Files): string {
    const path = join(this.dir, name);
    rmSync(path, { recursive: true, force: true });
    writeFiles(path, files);
    return path;
  }

  async build(context: string, dockerfile: string, request: Partial<BuildRequest> = {}): Promise<Outcome> {
    const events: TaskEvent[] = [];
    const store = await this.store;
    const task = createTask((event) => events.push(event));
    const whole: BuildRequest = {
      context: { kind: "dir", path: context },
      dockerfile: { kind: "text", text: dockerfile },
      ...BLANK,
      ...request,
    };
    const result = await build(whole, store, task);
    const { image } = result.assembled;
    // File trees alone leave no documents in the store.
    const kept = whole.outputs.length === 0 || whole.outputs.some((one) => one.type !== "local" && one.type !== "tar");
    assert.deepEqual(
      (kept ? await validateImage(store, image.descriptor, task) : []).filter((one) => one.level === "error"),
      [],
    );
    const steps = (state: string) =>
      events.flatMap((event) =>
        event.type === "step" && event.state === state && event.label.startsWith("[") && !event.label.startsWith("[internal")
          ? [event.label]
          : [],
      );
    const drafts = async () => {
      const shelf = openShelf(store, task);
      return Promise.all(image.layers.map((layer) => shelf.index(layer)));
    };
    const tree = async () => mergeTree(await drafts());
    return {
      result,
      events,
      done: steps("done"),
      cached: steps("cached"),
      digest: image.descriptor.digest,
      entries: async () => (await drafts()).flat(),
      get: async (path) => (await tree()).lookup(toPath(path)),
      async text(path) {
        const entry = (await tree()).lookup(toPath(path));
        assert(entry?.kind === "file", `${path} is a file`);
        const shelf = openShelf(store, task);
        for (const layer of image.layers) await shelf.index(layer);
        return Buffer.from(await shelf.read(entry)).toString("utf8");
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#store)?.[Symbol.asyncDispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
