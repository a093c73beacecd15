import { readFileSync, statSync } from "node:fs";
import { statementFor, subjectFor } from "../../attest/statement.ts";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { formatReference } from "../../oci/reference.ts";
import { readPredicate } from "../../sign/predicate.ts";
import { attestImage } from "../../sign/sign.ts";
import type { Invocation } from "../command.ts";
import { signingKey } from "../sign/keys.ts";
import { openTarget } from "../sign/targets.ts";
import { readForms, refuseLog } from "./sign.ts";

/** `nought attest`: signs a statement about images of registries, with a key. */
export async function run(call: Invocation): Promise<void> {
  refuseLog(call);
  const forms = readForms(call);
  const path = call.flags.string("predicate");
  if (!path) throw new Failure("USAGE", "attest needs what is to be said: --predicate FILE, and its --type");
  const predicate = readPredicate(readFile(path), call.flags.string("type") ?? "custom", `predicate ${printable(path)}`, new Date());
  const key = await signingKey(call);
  for (const text of call.args) {
    const { name, place, root, task } = await openTarget(call, text, "push");
    await using repository = place;
    if (name.digest === undefined) call.err(`${formatReference(name)} is ${root.digest} now: the statement is about that\n`);
    const about = subjectFor(root.digest, formatReference(repository.name));
    await attestImage(repository, root, statementFor([about], predicate.type, predicate.value), { key, forms }, task);
    call.out(`Attested: ${formatReference({ ...repository.name, digest: root.digest })}\n`);
  }
}

function readFile(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > LIMITS.statementBytes)
      throw new Failure(
        "LIMIT",
        `predicate ${printable(path)}: ${size} bytes; ${LIMITS.statementBytes} are accepted (limit statementBytes)`,
      );
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Failure("NOT_FOUND", `predicate ${printable(path)}: no such file`);
    throw storageFailure(error, "could not read", path);
  }
}
