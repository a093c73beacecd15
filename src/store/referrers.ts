import { closeSync, mkdirSync, renameSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { createPrivate, quietly, syncDirectory } from "../kit/atomic.ts";
import { lookAt, namesIn } from "../kit/look.ts";
import { removeFile } from "../kit/remove-file.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { type Digest, digestFromHex, hexOf } from "../oci/digest.ts";
import type { Layout } from "./layout.ts";
import type { Session } from "./session.ts";

/** Which manifests were attached to which, or to any, in order of their digests, as it was when this was read. */
export type ReferrersOf = (subject: Digest | undefined) => readonly Digest[];

/**
 * What is attached to images: an empty file for each pair, `referrers/SUBJECT-REFERRER`, both as 64 hex digits. What a referrer is stands in
 * its own manifest, so that there is nothing in the file that could be damaged or disagree.
 */
export interface Referrers {
  /** Enters a pair durably, once `before` is on the disk. Throws STORAGE. */
  enter(subject: Digest, referrer: Digest, before: Promise<void>): Promise<void>;
  remove(subject: Digest, referrer: Digest): Promise<boolean>;
  /** Reads the folder. */
  snapshot(): ReferrersOf;
  /** Removes the pairs of subjects that are gone. */
  sweep(there: (subject: Digest) => boolean): void;
}

const FORM = /^([0-9a-f]{64})-([0-9a-f]{64})$/;

/** The referrers of the store that `layout` describes. Their folder is made by the first one. */
export function createReferrers(layout: Layout, session: Session): Referrers {
  const folder = layout.referrers;
  const fileOf = (subject: Digest, referrer: Digest) => join(folder, `${hexOf(subject)}-${hexOf(referrer)}`);
  const pairs = () =>
    namesIn(folder).flatMap((name) => {
      const [, subject, referrer] = FORM.exec(name) ?? [];
      return subject === undefined || referrer === undefined ? [] : [[digestFromHex(subject), digestFromHex(referrer)] as const];
    });
  return {
    async enter(subject, referrer, before) {
      const path = fileOf(subject, referrer);
      try {
        await before;
        if (lookAt(path) !== undefined) return;
        if (lookAt(folder) === undefined) {
          mkdirSync(folder, { recursive: true, mode: 0o700 });
          await syncDirectory(dirname(folder));
        }
        const temporary = session.temporary();
        closeSync(createPrivate(temporary));
        renameSync(temporary, path);
        await syncDirectory(folder);
      } catch (error) {
        throw storageFailure(error, "could not write", path);
      }
    },
    remove: (subject, referrer) => removeFile(fileOf(subject, referrer)),
    snapshot() {
      const found = new Map<Digest, Digest[]>();
      for (const [subject, referrer] of pairs()) found.set(subject, [...(found.get(subject) ?? []), referrer]);
      return (subject) => [...new Set(subject === undefined ? [...found.values()].flat() : found.get(subject))].sort();
    },
    sweep(there) {
      for (const [subject, referrer] of pairs()) if (!there(subject)) quietly(() => unlinkSync(fileOf(subject, referrer)));
    },
  };
}
