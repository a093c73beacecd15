import { Mistake } from "../mistake.ts";
import type { Instruction } from "../syntax.ts";
import { noFlags } from "./flags.ts";
import type { Body } from "./read.ts";

/**
 * ONBUILD keeps the text of its trigger for the images built from this one. Docker looks at no more than the trigger's
 * name; nought reads all of it, because what is wrong now can never become right (`check` throws Mistake).
 */
export function readOnbuild(instruction: Instruction, check: (trigger: Instruction) => void): Body<"onbuild"> {
  const { trigger } = instruction;
  if (trigger === undefined) throw new Mistake("ONBUILD requires at least one argument");
  noFlags(instruction);
  if (trigger.name === "onbuild") throw new Mistake("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger.name === "from" || trigger.name === "maintainer") {
    throw new Mistake(`${trigger.name.toUpperCase()} isn't allowed as an ONBUILD trigger`);
  }
  check(trigger);
  let expression = instruction.original.replace(/^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i, "");
  for (const heredoc of instruction.heredocs) expression += `\n${heredoc.content}${heredoc.name}`;
  return { kind: "onbuild", expression };
}
