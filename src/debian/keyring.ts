import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../kit/error.ts";
import { namesIn } from "../kit/look.ts";
import { printable } from "../kit/printable.ts";
import { errnoOf, storageFailure } from "../kit/storage-failure.ts";

/** Keys that may sign, as bytes: they are parsed when a signature is verified (verify.ts). */
export interface Keyring {
  /** Binary or armored, each with the name it goes by in messages. */
  readonly parts: readonly { readonly name: string; readonly bytes: Buffer }[];
  /** Only these keys count, where given: fingerprints in lower-case hex; with `!` none of their subkeys. */
  readonly only: readonly string[];
  /** sha256 of all of it: verifications by another keyring do not count. */
  readonly sum: string;
}

/** A keyring file or an embedded key beyond this is none. */
const KEYRING_BYTES = 16 << 20;

/** Where Debian's keys may be, below `/`. The second is where other distributions put them. */
const ARCHIVE_KEYRINGS = ["usr/share/keyrings/debian-archive-keyring.gpg", "usr/share/keyrings/debian-archive-keyring.pgp"];

/**
 * The keys that sources(5) names in Signed-By: paths, fingerprints (of keys that the machine trusts), or one armored block. `root` stands
 * for `/`. Throws SIGNATURE where a file is missing or is no keyring.
 */
export function keyringOf(signedBy: readonly string[], root: string): Keyring {
  const paths = signedBy.filter((one) => one.startsWith("/"));
  const blocks = signedBy.filter((one) => one.includes("-----BEGIN PGP"));
  const only = signedBy.filter((one) => /^[0-9A-Fa-f]{40,64}!?$/.test(one)).map((one) => one.toLowerCase());
  const known = paths.length + blocks.length + only.length;
  if (known < signedBy.length) {
    const odd = signedBy.find((one) => !one.startsWith("/") && !one.includes("-----BEGIN PGP") && !/^[0-9A-Fa-f]{40,64}!?$/.test(one));
    throw new Failure("SIGNATURE", `Signed-By: "${printable((odd ?? "").slice(0, 80))}" is neither a path, a fingerprint nor a key`);
  }
  const parts = [
    ...paths.map((path) => ({ name: path, bytes: read(join(root, path), path) })),
    ...blocks.map((block) => ({ name: "the key within Signed-By", bytes: Buffer.from(block) })),
  ];
  return seal(parts.length > 0 ? parts : machineParts(root), only);
}

/** Keyrings that a person names. Throws SIGNATURE. */
export function keyringFrom(paths: readonly string[]): Keyring {
  return seal(
    paths.map((path) => ({ name: path, bytes: read(path, path) })),
    [],
  );
}

/**
 * The keys that this machine trusts for Debian: its archive keyring, else what apt trusts for everything (trusted.gpg.d). Throws SIGNATURE
 * where there is none: nothing is ever accepted unverified.
 */
export function machineKeyring(root: string): Keyring {
  return seal(machineParts(root), []);
}

function machineParts(root: string): Keyring["parts"] {
  for (const path of ARCHIVE_KEYRINGS) {
    const bytes = readMaybe(join(root, path), `/${path}`);
    if (bytes !== undefined) return [{ name: `/${path}`, bytes }];
  }
  const folder = join(root, "etc/apt/trusted.gpg.d");
  const names = namesIn(folder)
    .filter((name) => /^[A-Za-z0-9_.-]+\.(?:gpg|asc)$/.test(name))
    .sort();
  const parts = [
    ...names.map((name) => ({ name: `/etc/apt/trusted.gpg.d/${name}`, bytes: read(join(folder, name), name) })),
    ...["etc/apt/trusted.gpg"].flatMap((path) => {
      const bytes = readMaybe(join(root, path), path);
      return bytes === undefined ? [] : [{ name: `/${path}`, bytes }];
    }),
  ];
  // The older file is often a keybox of GnuPG, which apt does not read either.
  return parts.filter(({ bytes }) => bytes.length > 0 && !isKeybox(bytes));
}

function seal(parts: Keyring["parts"], only: readonly string[]): Keyring {
  const sum = createHash("sha256");
  for (const { name, bytes } of parts) {
    if (bytes.length === 0) throw new Failure("SIGNATURE", `the keyring ${printable(name)} is empty`);
    if (isKeybox(bytes)) {
      throw new Failure("SIGNATURE", `${printable(name)} is a keybox of GnuPG, not a keyring`, {
        hint: "Write the keys into a file with `gpg --no-default-keyring --keyring FILE --export`.",
      });
    }
    sum.update(bytes);
  }
  if (parts.length === 0) {
    throw new Failure("SIGNATURE", "this machine has no keyring of Debian, so nothing can be verified", {
      hint: "Install the package debian-archive-keyring, or name a keyring with --keyring FILE.",
    });
  }
  return { parts, only, sum: sum.update(only.join()).digest("hex") };
}

/** GnuPG's keybox has `KBXf` after the length and the type of its first blob. */
function isKeybox(bytes: Buffer): boolean {
  return bytes.toString("latin1", 8, 12) === "KBXf";
}

function read(path: string, name: string): Buffer {
  const bytes = readMaybe(path, name);
  if (bytes !== undefined) return bytes;
  throw new Failure("SIGNATURE", `the keyring ${printable(name)} does not exist`, {
    hint: "Without it nothing can be verified. Install the package debian-archive-keyring, or name a keyring with --keyring FILE.",
  });
}

function readMaybe(path: string, name: string): Buffer | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > KEYRING_BYTES) throw new Failure("LIMIT", `the keyring ${printable(name)} is larger than ${KEYRING_BYTES} bytes`);
    return bytes;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw storageFailure(error, "could not read the keyring", name);
  }
}
