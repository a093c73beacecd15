import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { writeDocument } from "./documents.ts";
import type { Container } from "./face.ts";
import { checkName, claimName, releaseName } from "./names.ts";

/** Gives a container another name. Throws USAGE, CONFLICT for a name that is taken, STORAGE. */
export async function renameContainer(store: string, { record, places }: Container, to: string): Promise<void> {
  const name = to.replace(/^\//, "");
  checkName(name);
  if (name === record.name)
    throw new Failure("USAGE", `Renaming a container with the same name as its current name: ${printable(name)}`, { exit: 1 });
  await claimName(store, name, record.id);
  try {
    writeDocument(places.config, { ...record, name });
  } catch (error) {
    await releaseName(store, name, record.id);
    throw error;
  }
  await releaseName(store, record.name, record.id);
}
