import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { keepCredential } from "../../registry/credentials/keep.ts";
import type { Credential } from "../../registry/face.ts";
import { openRegistry } from "../../registry/registry.ts";
import { surroundings } from "../../registry/surroundings.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { askLine, readAll } from "../registry/ask.ts";
import { readHost } from "../registry/host.ts";

/**
 * `nought login`: tries a user and password, and keeps them only when the registry took them; where its token server gives an identity
 * token for them, that is kept instead, as docker does.
 */
export async function run(call: Invocation): Promise<void> {
  const host = readHost(call.args[0]);
  const credential = await readCredential(call);
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  const around = surroundings(call.env, task, { credentials: { find: async () => credential } });
  let identity: string | undefined;
  await using registry = await openRegistry(host, { ...around, identity: (token) => (identity = token) }, task);
  await registry.ping();
  const { username } = credential;
  const proof: Credential = identity === undefined ? credential : { kind: "identity", token: identity, username };
  const kept = await keepCredential(host, proof, call.env, call.signal);
  if (kept.in === "file")
    call.err(
      `WARNING! Your credentials are stored unencrypted in '${printable(kept.path)}'.\nConfigure a credential helper to remove this warning.\n`,
    );
  call.out("Login Succeeded\n");
}

async function readCredential(call: Invocation): Promise<Credential & { readonly kind: "password" }> {
  const { flags } = call;
  let username = flags.string("username");
  let password = flags.string("password");
  if (password !== undefined) {
    if (flags.bool("password-stdin")) throw new Failure("USAGE", "--password and --password-stdin are mutually exclusive");
    call.err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
  }
  if (flags.bool("password-stdin")) {
    if (!username) throw new Failure("USAGE", "Must provide --username with --password-stdin");
    password = await readAll(call);
  }
  if (username === undefined || password === undefined) {
    if (!isTerminal(0)) throw new Failure("USAGE", "cannot ask for a password without a terminal: give -u USER --password-stdin");
    username ??= await askLine(call, "Username: ", false);
    password ??= await askLine(call, "Password: ", true);
  }
  if (username === "" || password === "") throw new Failure("USAGE", "username and password must not be empty");
  if (username.includes(":")) throw new Failure("USAGE", "a user name cannot hold a colon");
  return { kind: "password", username, password };
}
