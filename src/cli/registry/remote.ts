import type { RemoteImages } from "../../build/remote.ts";
import { openImage } from "../../image/open.ts";
import type { Reference } from "../../oci/reference.ts";
import type { Repository } from "../../registry/face.ts";
import type { Surroundings } from "../../registry/surroundings.ts";
import { createTask, type Task } from "../../task/task.ts";
import { embeddedImage } from "../base/embedded.ts";
import type { Invocation } from "../command.ts";

/**
 * Registries for a build, and before them the images that nought makes itself. Nothing is loaded or read before one is asked. The
 * repositories that were asked stay open until it is disposed of.
 */
export function remoteImages(call: Invocation): RemoteImages & AsyncDisposable {
  const opened = new Map<string, Promise<Repository>>();
  const around = async (task: Task): Promise<Surroundings> => (await import("../../registry/surroundings.ts")).surroundings(call.env, task);
  const repositoryOf = (name: Reference, task: Task): Promise<Repository> => {
    const key = `${name.registry}/${name.repository}`;
    const before = opened.get(key);
    if (before) return before;
    const opening = (async () => {
      const { openRepository } = await import("../../registry/repository.ts");
      return openRepository(name, { ...(await around(task)), access: "pull" }, task);
    })();
    opened.set(key, opening);
    return opening;
  };
  return {
    async candidates(text) {
      const quiet = createTask(() => {}, call.signal);
      return (await around(quiet)).candidates(text);
    },
    async find(name, platform, task) {
      const store = await call.store();
      const embedded = await embeddedImage(call, name, platform, task);
      if (embedded) return { image: await openImage(store, embedded, platform) };
      const { findBase } = await import("./base.ts");
      return findBase(await repositoryOf(name, task), name, platform, store, call.env, task);
    },
    async push(name, root, how, store, task) {
      const { sendImage } = await import("./push.ts");
      return (await sendImage(name, root, how, store, store.through, await around(task), task)).root;
    },
    async [Symbol.asyncDispose]() {
      for (const one of await Promise.allSettled(opened.values())) if (one.status === "fulfilled") await one.value[Symbol.asyncDispose]();
    },
  };
}
