import { type Container, findContainer } from "../../container/face.ts";
import { Failure } from "../../kit/error.ts";
import type { Catalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import type { Row } from "../template/value.ts";
import { inspectContainer, type Json } from "./inspect.ts";
import { sizesOf } from "./ps-size.ts";

/** A container for `inspect`; undefined where none is meant. Throws REFERENCE for the beginning of several ids. */
export function inspectFound(call: Invocation, text: string, catalog: Catalog): { readonly json: Json; readonly row: Row } | undefined {
  let container: Container;
  try {
    container = findContainer(call.storeDir, text);
  } catch (error) {
    if (error instanceof Failure && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
  return inspectContainer(call.storeDir, container, call.flags.bool("size") ? sizesOf(container, catalog) : undefined);
}
