import type { ContainerConfig } from "../oci/config.ts";
import type { Task } from "../task/task.ts";
import { toPath } from "../tree/path.ts";
import type { Tree } from "../tree/tree.ts";

/** Whether a directory can be written to by everybody. */
const OTHERS_WRITE = 0o002;

/**
 * Says what a minimal image is about to miss at run time, where that is certain from its files alone: a user of the image who may not
 * write to its /tmp. `COPY --from=builder /tmp /tmp` copies what is in it, and makes the directory anew with mode 0755, as docker does.
 */
export function advise(config: ContainerConfig, tree: Tree, task: Task): void {
  const user = config.User ?? "";
  const tmp = tree.lookup(toPath("/tmp"));
  if (/^(?:root|0)?(?::|$)/.test(user) || tmp?.kind !== "dir" || tmp.uid !== 0 || (tmp.mode & OTHERS_WRITE) !== 0) return;
  const mode = (tmp.mode & 0o7777).toString(8).padStart(4, "0");
  task.emit({
    type: "note",
    text: `user ${user} cannot write to /tmp of the image: it has mode ${mode}. "COPY --from=nought/tmp / /" brings one that everybody may write to; at run time "--tmpfs /tmp" does`,
  });
}
