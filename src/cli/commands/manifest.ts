import { Failure } from "../../kit/error.ts";
import { isTerminal } from "../../kit/terminal.ts";
import { familiarName, parseReference, withDefaultTag } from "../../oci/reference.ts";
import { readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { isRemote, readRemoteDocument } from "../registry/remote-image.ts";
import { calmJson } from "../render/json.ts";
import { isScratch } from "../scratch.ts";

/** `nought manifest get`: the document a name points at, byte for byte. The reserved name answers as a registry without it would. */
export async function run(call: Invocation): Promise<void> {
  const text = call.args[0] as string;
  if (isScratch(text)) throw unknown("docker.io/library/scratch:latest");
  if (isRemote(text)) return print(call, Buffer.from(await readRemoteDocument(call, text)));
  const store = await call.store();
  const found = (await readCatalog(store)).find(text);
  if (!found) throw unknown(familiarName(withDefaultTag(parseReference(text))));
  print(call, store.readDocument(found.image.root));
}

function print(call: Invocation, bytes: Buffer): void {
  // Exactly the bytes of the digest, unless a person is looking.
  call.out(isTerminal(1) ? `${calmJson(bytes.toString("utf8"))}\n` : bytes);
}

function unknown(name: string): Failure {
  return new Failure("NOT_FOUND", `no such manifest: ${name}: MANIFEST_UNKNOWN: manifest unknown`, {
    hint: "`nought images` shows the images of the local store; docker://NAME asks a registry.",
  });
}
