import { encodeName } from "../kit/bytes.ts";

/** A change to the file system that Node has no call for. Paths are of the host; no link at their end is followed. */
export type HostChange =
  | { readonly call: "setxattr"; readonly path: string; readonly name: string; readonly value: Uint8Array }
  /** `mode` with the kind of the node (S_IFCHR, S_IFBLK, S_IFIFO); the numbers are a device's. */
  | { readonly call: "mknod"; readonly path: string; readonly mode: number; readonly major: number; readonly minor: number };

/** What this room needs of the system beyond Node: many calls at once, since each batch costs a process. */
export interface HostCalls {
  /** Namespace of overlayfs's own attributes here: `user` inside a user namespace, where it is mounted with `userxattr`. */
  readonly overlay: "trusted" | "user";
  /** Makes the changes in order. For each, 0 or the number of its error, negative. */
  change(changes: readonly HostChange[]): readonly number[];
  /** The extended attributes of each path, as far as this process may see them; none for a path that cannot have any. */
  attributes(paths: readonly string[]): readonly ReadonlyMap<string, Uint8Array>[];
}

interface Address {
  readonly at: number;
}

interface Register {
  readonly register: number;
}

/** As much of the sandbox's TableBuilder as is needed here (src/sandbox/table.ts), so that this room does not depend on that one. */
export interface CallTable<Finished> {
  register(): Register;
  space(length: number): Address;
  bytes(bytes: Uint8Array): Address;
  text(text: string | Uint8Array): Address;
  call(
    name: string,
    args: readonly (number | bigint | Address | Register)[],
    options?: { readonly ignore?: boolean; readonly into?: Register | Address },
  ): void;
  finish(): Finished;
}

const AT_FDCWD = -100;
/** Calls that one table holds, about: half a megabyte of operations. */
const BATCH = 4000;
/** The most that Linux gives for a list of names, and for one value (xattr(7)). */
const LARGEST = 65536;

/** Host calls made by the sandbox's helper: hand in `newTable` and `performTable` of src/sandbox/perform.ts. */
export function tableCalls<Finished>(
  overlay: HostCalls["overlay"],
  newTable: () => CallTable<Finished>,
  perform: (table: Finished) => Buffer,
): HostCalls {
  /** Makes calls that fill a buffer and return how much of it; gives what each wrote, nothing where it failed. */
  const collect = <T>(items: readonly T[], add: (table: CallTable<Finished>, item: T, buffer: Address, into: Register) => void) => {
    const answers: Buffer[] = [];
    for (let from = 0; from < items.length; from += BATCH) {
      const table = newTable();
      const buffer = table.space(LARGEST);
      const lengths = table.space(8 * BATCH);
      const count = table.register();
      const batch = items.slice(from, from + BATCH);
      for (const [at, item] of batch.entries()) {
        add(table, item, buffer, count);
        // What writing returns is the length. After a failed call the count is negative, and nothing is written.
        table.call("write", [1, buffer, count], { ignore: true, into: { at: lengths.at + 8 * at } });
      }
      table.call("write", [1, lengths, 8 * batch.length]);
      const said = perform(table.finish());
      const end = said.length - 8 * batch.length;
      let next = 0;
      for (let at = 0; at < batch.length; at++) {
        const length = Math.max(0, Number(said.readBigInt64LE(end + 8 * at)));
        answers.push(said.subarray(next, (next += length)));
      }
    }
    return answers;
  };
  return {
    overlay,
    change(changes) {
      const results: number[] = [];
      for (let from = 0; from < changes.length; from += BATCH) {
        const batch = changes.slice(from, from + BATCH);
        const table = newTable();
        const answers = table.space(8 * batch.length);
        for (const [at, change] of batch.entries()) {
          const path = table.text(encodeName(change.path));
          const options = { ignore: true, into: { at: answers.at + 8 * at } };
          if (change.call === "mknod") table.call("mknodat", [AT_FDCWD, path, change.mode, device(change.major, change.minor)], options);
          else
            table.call(
              "lsetxattr",
              [path, table.text(encodeName(change.name)), table.bytes(change.value), change.value.length, 0],
              options,
            );
        }
        table.call("write", [1, answers, 8 * batch.length]);
        const said = perform(table.finish());
        for (let at = 0; at < batch.length; at++) results.push(Number(said.readBigInt64LE(8 * at)));
      }
      return results;
    },
    attributes(paths) {
      const found = paths.map(() => new Map<string, Uint8Array>());
      const lists = collect(paths, (table, path, buffer, into) =>
        table.call("llistxattr", [table.text(encodeName(path)), buffer, LARGEST], { ignore: true, into }),
      );
      const wanted = lists.flatMap((list, at) => names(list).map((name) => ({ at, name })));
      const values = collect(wanted, (table, { at, name }, buffer, into) =>
        table.call("lgetxattr", [table.text(encodeName(paths[at] as string)), table.text(name), buffer, LARGEST], { ignore: true, into }),
      );
      for (const [index, { at, name }] of wanted.entries()) found[at]?.set(name.toString("latin1"), Buffer.from(values[index] as Buffer));
      return found;
    },
  };
}

/** Names that each end with a NUL. */
function names(list: Buffer): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < list.length; ) {
    const end = list.indexOf(0, at);
    if (end < 0) break;
    all.push(list.subarray(at, end));
    at = end + 1;
  }
  return all;
}

/** A device number as mknod(2) takes it: twelve bits of the major number, and the minor number around them. */
function device(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | ((high & ~0xfffn) << 32n);
}
