import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { familiarName, familiarRepository } from "../../oci/reference.ts";
import { readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { complete } from "../completion/candidates.ts";

/** What the completion scripts ask; never fails, never writes. */
export async function run(call: Invocation): Promise<void> {
  const answer = complete(call.args);
  if ("candidates" in answer) {
    call.out(answer.candidates.map(({ word, description }) => `${word}\t${description}\n`).join(""));
    return;
  }
  if (answer.ask !== "images" && answer.ask !== "containers") {
    call.out(`:${answer.ask}\n`);
    return;
  }
  const typed = call.args.at(-1) ?? "";
  const names = answer.ask === "images" ? await imageNames(call) : await containerNames(call);
  const kind = answer.ask === "images" ? "image" : "container";
  call.out(
    names
      .filter((name) => name.startsWith(typed))
      .map((name) => `${printable(name)}\t${kind}\n`)
      .join(""),
  );
}

async function containerNames(call: Invocation): Promise<readonly string[]> {
  try {
    const { listContainers } = await import("../../container/face.ts");
    return listContainers(call.storeDir).map((one) => one.record.name);
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}

/** Names as people write them, with and without the tag `latest`. */
async function imageNames(call: Invocation): Promise<readonly string[]> {
  try {
    const { images } = await readCatalog(await call.store());
    const names = images.flatMap((image) =>
      image.names.flatMap(({ name }) => (name.tag === "latest" ? [familiarName(name), familiarRepository(name)] : [familiarName(name)])),
    );
    return [...new Set(names)].sort();
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
}
