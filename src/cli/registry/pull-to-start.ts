import { Failure } from "../../kit/error.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import type { Platform } from "../../oci/platform.ts";
import { familiarName } from "../../oci/reference.ts";
import { surroundings } from "../../registry/surroundings.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { barsFor } from "../render/bars.ts";
import { shortLabels } from "./labels.ts";
import { pullImage } from "./pull.ts";

/** Pulls an image that `run` or `create` needs. Everything is told on standard error; a failure ends with docker's 125. */
export async function pullToStart(call: Invocation, text: string, platform: Platform | undefined): Promise<Descriptor> {
  const quiet = call.flags.bool("quiet");
  const bars = barsFor(call.env, quiet);
  const task = createTask(shortLabels(bars.listener), call.signal);
  const begin = (name: { readonly tag?: string; readonly repository: string }) =>
    quiet || call.err(`${name.tag ?? "latest"}: Pulling from ${name.repository}\n`);
  try {
    const { name, root, changed } = await pullImage({ text, platform, begin }, await call.store(), surroundings(call.env, task), task);
    bars.finish();
    if (!quiet) {
      call.err(`Digest: ${root.digest}\n`);
      call.err(`Status: ${changed ? "Downloaded newer image" : "Image is up to date"} for ${familiarName(name)}\n`);
    }
    return root;
  } catch (error) {
    if (!(error instanceof Failure) || error.code === "INTERRUPTED") throw error;
    throw new Failure(error.code, error.message, {
      exit: 125,
      cause: error.cause ?? error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  } finally {
    bars.finish();
  }
}
