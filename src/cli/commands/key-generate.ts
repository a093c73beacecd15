import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { replaceFile } from "../../kit/atomic.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { generateKeyPair, importKeyPair } from "../../sign/keys/private-key.ts";
import type { Invocation } from "../command.ts";
import { askPassword, newPassword, readKeyFile } from "../sign/keys.ts";

/** `nought key generate`: a pair of keys in two files, as cosign makes it; with `--import`, of a key that is there. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const prefix = flags.string("output-key-prefix") ?? "cosign";
  const files = { privatePem: `${prefix}.key`, publicPem: `${prefix}.pub` };
  const taken = Object.values(files).find((path) => existsSync(path));
  if (taken !== undefined && !flags.bool("force")) {
    throw new Failure("CONFLICT", `${printable(taken)} is there already`, {
      hint: "Whoever has only that key could not sign any more: choose another --output-key-prefix, or overwrite it with --force.",
    });
  }
  const from = flags.string("import");
  const pair =
    from === undefined
      ? await generateKeyPair(await newPassword(call))
      : await importKeyPair(
          readKeyFile(from),
          `key ${printable(from)}`,
          () => askPassword(call, "Enter password of that key: "),
          await newPassword(call),
        );
  write(files.privatePem, pair.privatePem, 0o600);
  call.err(`Private key written to ${printable(files.privatePem)}\n`);
  write(files.publicPem, pair.publicPem, 0o644);
  call.err(`Public key written to ${printable(files.publicPem)}\n`);
}

function write(path: string, text: string, mode: number): void {
  try {
    replaceFile(`${path}.${randomUUID()}`, path, Buffer.from(text), { mode, durable: true });
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  }
}
