import { type CallArchitecture, syscallNumbers } from "../syscall-numbers.ts";
import type { Address, TableBuilder } from "../table.ts";
import { AUDIT, RUNS } from "./compile.ts";

/**
 * The extended attribute in which the helper notes whose a file should be, where only one id exists: 8 bytes, u32 user and u32 group,
 * little-endian. The contract for whoever reads the upper directory of a step that ran with a single id:
 * - A regular file or directory that has it belongs to the ids in it, not to those that lstat says; one without it, to what it was in the
 *   layers below (copying up keeps attributes, so a note of a lower directory is still there), else to 0:0.
 * - The attribute is dropped from what goes into a layer, whatever its value; `notedOwner` is undefined for one that the helper did not
 *   write. A program of the step may write it too: it says no more than a chown of its own could have said.
 * - Links, devices, pipes and sockets take no such attribute: their change of owner succeeded and is forgotten.
 * - The set-user-id and set-group-id bits are gone after a change of owner, as the kernel has it.
 * Whoever unpacks a layer for a single id may write it on the files it makes: the next change of one of both ids then keeps the other.
 * Programs inside see ids 0:0 all the same: stat(2) is not answered for.
 */
export const OWNER_ATTRIBUTE = "user.nought.owner";

/** The owner that the attribute holds; undefined for anything else. */
export function notedOwner(value: Uint8Array | undefined): { readonly uid: number; readonly gid: number } | undefined {
  if (value?.length !== 8) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, 8);
  return { uid: bytes.readUInt32LE(0), gid: bytes.readUInt32LE(4) };
}

/** Calls that change an owner, and which argument is what: the directory (or the file itself, without a path), path, owner, flags. */
const CHOWNS: readonly {
  readonly name: string;
  readonly base: number;
  readonly path: number;
  readonly owner: number;
  readonly flags: number;
  readonly follow: boolean;
}[] = [
  { name: "chown", base: -1, path: 0, owner: 1, flags: -1, follow: true },
  { name: "lchown", base: -1, path: 0, owner: 1, flags: -1, follow: false },
  { name: "fchown", base: 0, path: -1, owner: 1, flags: -1, follow: true },
  { name: "fchownat", base: 0, path: 1, owner: 2, flags: 4, follow: true },
];

/** Names of the calls that a supervisor answers, those with wider ids of 32-bit processors among them. */
export const SUPERVISED: readonly string[] = CHOWNS.flatMap(({ name }) => (name === "fchownat" ? [name] : [name, `${name}32`]));

/** Adds the rules by which the helper understands these calls: `struct rule` of native/nbox.c. */
export function ownerRules(table: TableBuilder, architecture: CallArchitecture): { readonly rules: Address; readonly count: number } {
  const words: number[] = [];
  let count = 0;
  for (const one of RUNS[architecture] ?? [architecture]) {
    const numbers = syscallNumbers(one);
    for (const name of SUPERVISED) {
      const number = numbers.get(name);
      const call = CHOWNS.find((other) => other.name === name.replace("32", ""));
      if (number === undefined || call === undefined) continue;
      // The old calls of 32-bit processors have ids of 16 bits.
      const narrow = (one === "i386" || one === "arm") && !name.endsWith("32") && name !== "fchownat";
      words.push(AUDIT[one], number, call.base, call.path, call.owner, call.flags, narrow ? 0xffff : 0xffffffff, call.follow ? 1 : 0);
      count++;
    }
  }
  return { rules: table.words32(...words), count };
}
