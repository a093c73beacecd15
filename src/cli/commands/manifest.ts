import { Failure } from "../../kit/error.ts";
import { isTerminal } from "../../kit/terminal.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { familiarName, parseReference, withDefaultTag } from "../../oci/reference.ts";
import type { ContentStore } from "../../store/face.ts";
import { createTask } from "../../task/task.ts";
import { readCatalog, readName } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { isRemote, readRemoteDocument } from "../registry/remote-image.ts";
import { calmJson } from "../render/json.ts";
import { isScratch } from "../scratch.ts";

/**
 * `nought manifest get`: the document a name points at, byte for byte. The reserved name answers as a registry without it would. Docker's
 * `manifest inspect` asks the registry for what the store does not have.
 */
export async function run(call: Invocation): Promise<void> {
  const text = call.args[0] as string;
  if (isScratch(text)) throw unknown("docker.io/library/scratch:latest");
  if (call.path === "manifest inspect") return inspect(call, text);
  if (isRemote(text)) return print(call, Buffer.from(await readRemoteDocument(call, text)));
  const store = await call.store();
  const root = await rootIn(store, text);
  if (!root) throw unknown(familiarName(withDefaultTag(parseReference(text))));
  print(call, store.readDocument(root));
}

async function inspect(call: Invocation, text: string): Promise<void> {
  const [{ openMember }, { verboseManifest }, { readWhole }] = await Promise.all([
    import("../transfer/list.ts"),
    import("../transfer/verbose.ts"),
    import("../../place/documents.ts"),
  ]);
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  const store = await call.store();
  const here = isRemote(text) ? undefined : await rootIn(store, text);
  await using source = here ? { from: store, root: here, async [Symbol.asyncDispose]() {} } : await openMember(call, text, task);
  const name = text.replace(/^docker:\/\//, "");
  if (!call.flags.bool("verbose")) return print(call, Buffer.from(await readWhole(source.from, source.root)));
  call.out(`${JSON.stringify(await verboseManifest(source.from, source.root, name), undefined, "\t")}\n`);
}

/** What a word stands for in the store: an image, or a list that has none yet. */
async function rootIn(store: ContentStore, text: string): Promise<Descriptor | undefined> {
  const found = (await readCatalog(store)).find(text);
  if (found) return found.image.root;
  const name = readName(text);
  return name && store.resolve(withDefaultTag(name), createTask());
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
