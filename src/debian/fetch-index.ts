import { createHash } from "node:crypto";
import { closeSync, readSync } from "node:fs";
import { decompress } from "../format/decompress.ts";
import { Failure } from "../kit/error.ts";
import { LIMITS } from "../kit/limit.ts";
import { printable } from "../kit/printable.ts";
import { openToRead } from "../kit/read-file.ts";
import { redactUrl } from "../net/redact.ts";
import type { Task } from "../task/task.ts";
import { IndexPacker } from "./pack-index.ts";
import { openPackages, type PackageIndex } from "./package-index.ts";
import type { Pin } from "./release.ts";
import type { OpenSuite, SuiteAccess } from "./suite.ts";
import { getBytes, isMissing } from "./transport.ts";

/** gzip first: it is a third larger than xz and unpacked ten times as fast, which is a gain on all but slow lines (measured). */
const FORMS = [".gz", ".xz", ".zst", ".bz2", ""] as const;

/** An index and the file it is read from. */
export interface OpenIndex extends Disposable {
  readonly index: PackageIndex;
  /** Of its suite (release.ts). */
  readonly notAutomatic: boolean;
}

/**
 * The packages of one component and processor of a suite: from the cache where it has the very file that the suite lists, else fetched,
 * checked against its pin before a byte is unpacked, unpacked within bounds, checked again and kept with tables of its names. Empty where
 * the suite has no packages for it. Throws DIGEST, PACKAGE, NETWORK, COMPRESSION, LIMIT, STORAGE.
 */
export async function openIndex(
  open: OpenSuite,
  component: string,
  architecture: string,
  access: SuiteAccess,
  task: Task,
): Promise<OpenIndex> {
  const { release, site } = open;
  const base = `${component}/binary-${architecture}/Packages`;
  const form = FORMS.find((ending) => release.files.has(base + ending));
  if (form === undefined) throw missingIndex(open, component, architecture);
  const path = base + form;
  const pin = release.files.get(path) as Pin;
  const file = access.cache.path("index", pin.sum);
  const cached = openFile(file, site.suite, architecture, release.notAutomatic);
  if (cached !== undefined) return cached;
  if (access.offline) {
    throw new Failure(
      "NETWORK",
      `the package index of ${printable(site.suite)} (${printable(path)}) was never fetched, and offline nothing is asked for`,
      {
        hint: "Run it once without --offline.",
      },
    );
  }
  const where = redactUrl(`${open.root}/dists/${site.suite}/${path}`);
  const packed = await fetchPinned(open, path, pin, access, task);
  const plainPin = release.files.get(base);
  const packer = await unpack(packed, plainPin, where);
  access.cache.write(file, ...packer.finish());
  const fresh = openFile(file, site.suite, architecture, release.notAutomatic);
  if (fresh === undefined) throw new Failure("STORAGE", `${printable(file)} cannot be read back`);
  return fresh;
}

/**
 * By-hash first where the suite offers it: then a mirror in the middle of an update still has the file that the signed text speaks of. What
 * the root that gave the signed text does not have, or has wrong, is asked of the suite's other roots: the sum tells what is right.
 */
async function fetchPinned({ root, site, release }: OpenSuite, path: string, pin: Pin, access: SuiteAccess, task: Task): Promise<Buffer> {
  const wanted = site.byHash === "force" || site.byHash === "yes" || (site.byHash !== "no" && release.byHash);
  const folder = path.slice(0, path.lastIndexOf("/"));
  const paths = [
    ...(wanted ? [`${folder}/by-hash/${pin.algorithm.toUpperCase()}/${pin.sum}`] : []),
    ...(site.byHash === "force" ? [] : [path]),
  ];
  let problem: Failure | undefined;
  for (const one of [root, ...site.roots.filter((other) => other !== root)]) {
    for (const name of paths) {
      const url = `${one}/dists/${site.suite}/${name}`;
      try {
        const got = await getBytes(access.transport, url, pin.size, task);
        if (got === undefined) continue;
        checkPin(got.bytes, pin, redactUrl(url));
        return got.bytes;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        const told =
          error.code === "LIMIT" ? mismatch(redactUrl(url), `it is larger than the ${pin.size} bytes that the signed file lists`) : error;
        if (told.code !== "NETWORK" && told.code !== "DIGEST") throw told;
        // A wrong file says more than a missing one, and is not looked for under another name at the same place.
        if (problem === undefined || (problem.code === "NETWORK" && told.code === "DIGEST")) problem = told;
        if (!isMissing(error)) break;
      }
    }
  }
  throw problem ?? new Failure("NETWORK", `${redactUrl(`${root}/dists/${site.suite}/${path}`)} is not at the mirror`);
}

/** Throws DIGEST where size or sum differ. */
function checkPin(bytes: Buffer, pin: Pin, where: string): void {
  checkSum(bytes.length, bytes.length === pin.size ? createHash(pin.algorithm).update(bytes).digest("hex") : "", pin, where);
}

function checkSum(size: number, sum: string, pin: Pin, where: string): void {
  if (size !== pin.size) throw mismatch(where, `it has ${size} bytes, and the signed file lists ${pin.size}`);
  if (sum !== pin.sum) throw mismatch(where, `its ${pin.algorithm} is ${sum}, and the signed file lists ${pin.sum}`);
}

function mismatch(where: string, why: string): Failure {
  return new Failure("DIGEST", `${printable(where)}: ${why}`, {
    hint: "The mirror is being updated, or somebody changed the file. Try again later, or another mirror; nothing of it was kept.",
  });
}

/** Unpacks, and looks for packages in what is there while the next piece is unpacked by another thread. */
async function unpack(packed: Buffer, pin: Pin | undefined, where: string): Promise<IndexPacker> {
  const size = pin?.size;
  const limit = Math.min(size ?? LIMITS.packageIndexBytes, LIMITS.packageIndexBytes);
  const packer = new IndexPacker(Math.min(limit, size ?? 4 * packed.length), where);
  const sum = pin === undefined ? undefined : createHash(pin.algorithm);
  let length = 0;
  try {
    const { bytes } = await decompress(once(packed), { bytes: limit });
    for await (const piece of bytes) {
      length += piece.length;
      if (length > limit) throw new Failure("LIMIT", `it has more than ${limit} bytes`);
      packer.push(piece);
      sum?.update(piece);
    }
  } catch (error) {
    if (error instanceof Failure && !error.message.startsWith(printable(where)))
      throw new Failure(error.code, `${printable(where)}: ${error.message}`, { cause: error });
    throw error;
  }
  if (pin !== undefined && sum !== undefined) checkSum(length, sum.digest("hex"), pin, `${where}, unpacked`);
  return packer;
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function openFile(path: string, suite: string, architecture: string, notAutomatic: boolean): OpenIndex | undefined {
  let fd: number;
  try {
    fd = openToRead(path);
  } catch {
    // What is missing or cannot be read is fetched.
    return undefined;
  }
  const index = openPackages(
    (position, length) => {
      const buffer = Buffer.allocUnsafe(length);
      return buffer.subarray(0, readSync(fd, buffer, 0, length, position));
    },
    suite,
    architecture,
  );
  if (index === undefined) {
    closeSync(fd);
    return undefined;
  }
  let open = true;
  return {
    index,
    notAutomatic,
    [Symbol.dispose]() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

function missingIndex({ release, site }: OpenSuite, component: string, architecture: string): Failure {
  const name = printable(site.suite);
  const list = (items: readonly string[]) => items.slice(0, 30).map(printable).join(", ");
  if (!release.architectures.includes(architecture))
    return new Failure("PACKAGE", `${name} has no packages for ${printable(architecture)}`, {
      hint: `It has ${list(release.architectures)}.`,
    });
  return new Failure("PACKAGE", `${name} has no component ${printable(component)} for ${printable(architecture)}`, {
    hint: `It has ${list(release.components)}.`,
  });
}
