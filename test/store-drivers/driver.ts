// A small program that works on a store, for tests that kill, stop or starve it.
//   driver OPERATION DIR ARGUMENTS…     prints `ok RESULT` when done; a Failure goes to stderr and sets the exit code.
//   driver loop OPERATION ROUNDS DIR …  does it so many times; `%` in an argument is the round.
// With NOUGHT_BARRIER=FILE it says `ready` and waits until that file is there.
import { existsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../src/kit/error.ts";
import { acquireLock } from "../../src/kit/lock.ts";
import * as operations from "./operations.ts";

async function perform(operation: string, args: readonly string[]): Promise<unknown> {
  const [dir = "", a = "", b = "", c = "1000"] = args;
  switch (operation) {
    case "build":
      return operations.build(dir, a, b, Number(c));
    case "load":
      return operations.load(dir, a, b, Number(c));
    case "tag":
      return operations.tag(dir, a, b);
    case "names":
      return operations.names(dir);
    case "remove":
      return operations.remove(dir, a);
    case "prune":
      return operations.prune(dir, a === "all", Number(b || 60_000), (text) => writeSync(2, `${text}\n`));
    case "read":
      return operations.readAll(dir);
    case "check":
      return operations.errorsOf(dir);
    case "hold-lock": {
      using _lock = await acquireLock(join(dir, "lock"));
      writeSync(1, "held\n");
      await new Promise((resolve) => setTimeout(resolve, Number(a)));
      return "released";
    }
    default:
      throw new Error(`no operation ${operation}`);
  }
}

const [operation = "", ...args] = process.argv.slice(2);
try {
  const barrier = process.env["NOUGHT_BARRIER"];
  if (barrier) {
    writeSync(1, "ready\n");
    while (!existsSync(barrier)) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  if (operation === "loop") {
    const [inner = "", rounds = "0", ...rest] = args;
    for (let round = 0; round < Number(rounds); round++) {
      const result = await perform(
        inner,
        rest.map((arg) => arg.replace("%", String(round))),
      );
      writeSync(1, `ok ${JSON.stringify(result)}\n`);
    }
  } else {
    writeSync(1, `ok ${JSON.stringify(await perform(operation, args))}\n`);
  }
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  writeSync(2, `${error.code}: ${error.message}\n`);
  process.exitCode = error.exit;
}
