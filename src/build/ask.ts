import { checksJson, printChecks } from "../dockerfile/checks-print.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { ContentStore } from "../store/face.ts";
import type { Task } from "../task/task.ts";
import { open } from "./build.ts";
import type { BuildRequest } from "./request.ts";
import { review } from "./review.ts";

export interface Answer {
  readonly text: string;
  /** Something was found, and a script should see it in the exit code. */
  readonly failed: boolean;
}

/**
 * `--call`: a question about a Dockerfile instead of a build. `check` (or `lint`) runs the build checks, `outline` lists what the target takes, `targets`
 * lists the stages; nothing is built and no image is looked up. Throws USAGE for any other, SYNTAX for a file that does not parse.
 */
export async function ask(method: string, json: boolean, request: BuildRequest, store: () => Promise<ContentStore>, task: Task): Promise<Answer> {
  const { inlet, program, platforms } = await open(request, store, task);
  await using _inlet = inlet;
  switch (method) {
    case "check":
    case "lint": {
      const { findings, failure } = review(program, request, platforms, inlet);
      const text = json ? `${JSON.stringify(checksJson(findings, program.syntax), null, 2)}\n` : printChecks(findings, program.syntax);
      return { text, failed: findings.length > 0 || failure !== undefined };
    }
    default:
      throw new Failure("USAGE", `--call ${printable(method)}: it is one of build, check, outline, targets`);
  }
}
