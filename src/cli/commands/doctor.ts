import { printable } from "../../kit/printable.ts";
import { probe } from "../../sandbox/probe.ts";
import type { Invocation } from "../command.ts";
import { compileTemplate } from "../template/execute.ts";
import { goJson } from "../template/value.ts";

const LEVELS = [
  "none: RUN steps and containers are refused",
  "degraded: a user namespace without a /proc of its own",
  "a user namespace with a single id",
  "a user namespace with a range of ids",
  "root",
] as const;

/** `nought doctor`: what this machine allows, why, and what would help. Exit code 8 where nothing can be run. */
export async function run(call: Invocation): Promise<number> {
  // On the store's own file system, where layers will lie; the folder goes when the store is closed.
  const found = probe(await (await call.store()).temporary());
  const format = call.flags.string("format");
  const data = {
    Level: found.level,
    Sandbox: LEVELS[found.level],
    Overlay: found.overlay,
    Facts: found.facts.map(({ name, works, detail }) => ({ Name: name, Works: works, Detail: detail })),
    Advice: found.advice,
  };
  if (format === "json") call.out(`${goJson(data)}\n`);
  else if (format) call.out(`${compileTemplate(format, {}, 64).execute(data)}\n`);
  else {
    const width = Math.max(...found.facts.map((one) => one.name.length));
    call.out(`Sandbox: level ${found.level} of 4, ${LEVELS[found.level]}\n\n`);
    for (const { name, works, detail } of found.facts)
      call.out(`  ${works ? "yes" : "no "}  ${name.padEnd(width)}  ${printable(detail)}\n`);
    for (const advice of found.advice) call.out(`\n${advice}\n`);
  }
  return found.level === 0 ? 8 : 0;
}
