import type { RemoteImages } from "../../build/remote.ts";
import { createTask } from "../../task/task.ts";
import { embeddedImage } from "../base/embedded.ts";
import type { Invocation } from "../command.ts";

/** Registries for a build, and before them the images that nought makes itself. Nothing is loaded or read before one is asked. */
export function remoteImages(call: Invocation): RemoteImages {
  const around = async (task: Parameters<RemoteImages["pull"]>[2]) =>
    (await import("../../registry/surroundings.ts")).surroundings(call.env, task);
  return {
    async candidates(text) {
      const quiet = createTask(() => {}, call.signal);
      return (await around(quiet)).candidates(text);
    },
    async pull(name, platform, task) {
      const embedded = await embeddedImage(call, name, platform, task);
      if (embedded) return embedded;
      const { pullName } = await import("./pull.ts");
      return (await pullName(name, platform, await call.store(), await around(task), task))?.root;
    },
    async push(name, root, how, task) {
      const { pushImage } = await import("./push.ts");
      return (await pushImage(name, root, how, await call.store(), await around(task), task)).root;
    },
  };
}
