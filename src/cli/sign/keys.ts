import { readFileSync, statSync } from "node:fs";
import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { type PrivateKey, readPrivateKey } from "../../sign/keys/private-key.ts";
import { type PublicKey, readPublicKey } from "../../sign/keys/public-key.ts";
import type { Invocation } from "../command.ts";
import { askLine, readAll } from "../registry/ask.ts";

/** Keys that live in services or on cards, which nought does not speak to. */
const SERVICES = /^(?:awskms|gcpkms|azurekms|hashivault|k8s|pkcs11|gitlab|github|ledger):/;

/** The private key that `--key` names. Throws USAGE without one, KEY, NOT_FOUND, UNSUPPORTED. */
export async function signingKey(call: Invocation): Promise<PrivateKey> {
  const { text, where } = readKey(call);
  return readPrivateKey(text, where, () => askPassword(call, "Enter password for private key: "));
}

/** The public key that `--key` names. Throws the same. */
export function verifyingKey(call: Invocation): PublicKey {
  const { text, where } = readKey(call);
  return readPublicKey(text, where);
}

function readKey(call: Invocation): { readonly text: string; readonly where: string } {
  const name = call.flags.string("key");
  if (!name) {
    throw new Failure("USAGE", `${call.path} needs a key: --key FILE or --key env://VARIABLE`, {
      hint: "`nought key generate` makes one. Keyless signatures (certificates of Fulcio) are not made or verified.",
    });
  }
  if (name.startsWith("env://")) {
    const variable = name.slice(6);
    const text = Object.hasOwn(call.env, variable) ? call.env[variable] : undefined;
    if (!text) throw new Failure("NOT_FOUND", `the environment has no ${printable(variable)} to take the key from`);
    return { text, where: `key in ${printable(variable)}` };
  }
  if (SERVICES.test(name))
    throw new Failure(
      "UNSUPPORTED",
      `keys of ${printable(name.slice(0, name.indexOf(":")))} are not supported: a file or env://VARIABLE is`,
    );
  return { text: readKeyFile(name), where: `key ${printable(name)}` };
}

/** A file with a key; links are followed. Throws NOT_FOUND, LIMIT, STORAGE. */
export function readKeyFile(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > LIMITS.keyBytes) throw new Failure("LIMIT", `key ${printable(path)} has ${size} bytes; ${LIMITS.keyBytes} are accepted`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Failure("NOT_FOUND", `key ${printable(path)}: no such file`);
    throw storageFailure(error, "could not read", path);
  }
}

/** COSIGN_PASSWORD where it is set, also to nothing; else what is typed, or comes on standard input. */
export async function askPassword(call: Invocation, question: string): Promise<string> {
  const given = call.env["COSIGN_PASSWORD"];
  if (given !== undefined) return given;
  return isTerminal(0) ? askLine(call, question, true) : readAll(call);
}

/** A password for a new key: typed twice on a terminal. Throws USAGE where both differ. */
export async function newPassword(call: Invocation): Promise<string> {
  const first = await askPassword(call, "Enter password for private key: ");
  if (first === "") call.err("WARNING! The password is empty: whoever has the file can sign.\n");
  if (call.env["COSIGN_PASSWORD"] !== undefined || !isTerminal(0)) return first;
  if ((await askLine(call, "Enter password for private key again: ", true)) !== first)
    throw new Failure("USAGE", "the two passwords are not the same");
  return first;
}
