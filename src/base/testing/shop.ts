/** A small Debian for tests of images made from it: a signed mirror with made packages, a store, and what an image comes to. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type DebParts, makeDeb } from "../../debian/testing/make-deb.ts";
import { TestMirror, type TestPackage } from "../../debian/testing/mirror.ts";
import type { Image } from "../../image/layer.ts";
import { openImage } from "../../image/open.ts";
import { validateImage } from "../../image/validate.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { type Platform, parsePlatform } from "../../oci/platform.ts";
import { openShelf } from "../../shelf/shelf.ts";
import type { ContentStore } from "../../store/face.ts";
import { openStore } from "../../store/store.ts";
import { createTask } from "../../task/task.ts";
import { mergeTree } from "../../tree/merge.ts";
import { toPath } from "../../tree/path.ts";
import type { Tree } from "../../tree/tree.ts";
import { type BaseRequest, type BaseResult, buildBase } from "../build.ts";
import type { Recipe } from "../recipe.ts";

export const AMD64: Platform = parsePlatform("linux/amd64");

/** A package for a mirror. */
export async function packaged(
  name: string,
  parts: DebParts & { readonly version?: string; readonly architecture?: string; readonly depends?: string } = {},
): Promise<TestPackage> {
  const { version = "1.0", architecture = "amd64", depends } = parts;
  const control = {
    Package: name,
    Version: version,
    Architecture: architecture,
    ...(depends ? { Depends: depends } : {}),
    ...parts.control,
  };
  return { name, version, architecture, deb: await makeDeb({ ...parts, control }), fields: depends ? { Depends: depends } : {} };
}

/** A mirror, stores beside it, and images built from the one into the others. Everything is removed by dispose. */
export class Shop implements AsyncDisposable {
  readonly mirror = new TestMirror();
  readonly notes: string[] = [];
  readonly task = createTask((event) => event.type === "note" && this.notes.push(event.text));
  #count = 0;
  #stores: ContentStore[] = [];

  /** A mirror with these packages in `bookworm`, known to the machine. */
  static async open(packages: readonly TestPackage[]): Promise<Shop> {
    const shop = new Shop();
    await shop.mirror.suite("bookworm", { packages, architectures: ["amd64", "arm64"] });
    shop.mirror.sources();
    return shop;
  }

  /** An empty store. */
  async store(): Promise<ContentStore> {
    const store = await openStore(join(this.mirror.base, `store-${++this.#count}`));
    this.#stores.push(store);
    return store;
  }

  async build(recipe: Recipe, store: ContentStore, request: Partial<BaseRequest> = {}): Promise<BaseResult> {
    const archive = this.mirror.open({ cacheDir: join(store.dir, "debian") });
    await store.temporary();
    try {
      return await buildBase({ recipe, suite: "bookworm", platforms: [AMD64], names: [], ...request }, archive, store, this.task);
    } finally {
      archive[Symbol.dispose]?.();
    }
  }

  /** What a container of the image would see; the image is looked through on the way. */
  async look(
    store: ContentStore,
    root: Descriptor,
    platform = AMD64,
  ): Promise<{ image: Image; tree: Tree; text(path: string): Promise<string> }> {
    const image = await openImage(store, root, platform);
    const wrong = (await validateImage(store, image.descriptor, this.task)).filter((one) => one.level === "error");
    assert.deepEqual(wrong, []);
    const shelf = openShelf(store, this.task);
    const tree = mergeTree(await Promise.all(image.layers.map((layer) => shelf.index(layer))));
    return {
      image,
      tree,
      async text(path) {
        const entry = tree.lookup(toPath(path));
        assert(entry?.kind === "file", `${path} is a file`);
        return Buffer.from(await shelf.read(entry)).toString("utf8");
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores) await store[Symbol.asyncDispose]();
    await this.mirror[Symbol.asyncDispose]();
  }
}
