import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestFromHex, hexOf, isDigest } from "../oci/digest.ts";
import type { CacheRecord } from "./face.ts";
import type { Layout } from "./layout.ts";
import { decodeLine, encodeLine } from "./line.ts";
import { appendToLog, readLog, replaceLog } from "./log.ts";
import type { Session } from "./session.ts";

/** How exactly the time of last use is known, so that a warm build has nothing to write. Milliseconds. */
const USE_GRAIN = 12 * 3_600_000;
/** A log below this is never written anew. Bytes. */
const BLOATED = 256 << 10;

/**
 * The log of cache records (`records`): lines of two kinds, `r` a record by its key and `d` the blob of a layer by its
 * diffID; later lines replace earlier ones. Read at first use; each line is checked and parsed when it is asked for.
 */
export interface Records {
  recall(key: Digest): CacheRecord | undefined;
  remember(record: Omit<CacheRecord, "at">): void;
  blobOf(diffId: Digest): Descriptor | undefined;
  noteBlob(diffId: Digest, blob: Descriptor): void;
  all(): CacheRecord[];
  diffs(): (readonly [Digest, Descriptor])[];
  /** Forgets what was read, so that the next question sees what others wrote. What was remembered here stays. */
  reload(): void;
  /** Appends what was remembered. Nothing waits for the disk: a lost record is a miss. */
  flush(): void;
  /** Writes the log with what `keep` says yes to. The caller holds the store's lock. Returns how many records went. */
  rewrite(keep: (record: CacheRecord) => boolean, keepDiff?: (diffId: Digest, blob: Descriptor) => boolean): number;
  /** Whether the log is large and most of it outdated. */
  bloated(): boolean;
}

interface Lines {
  readonly r: Map<string, string>;
  readonly d: Map<string, string>;
  bytes: number;
  count: number;
}

/** The cache records of the store that `layout` describes; read when first asked for. */
export function createRecords(layout: Layout, session: Session): Records {
  let lines: Lines | undefined;
  let pending = "";
  const touched = new Set<string>();

  const load = (): Lines => {
    if (lines === undefined) {
      lines = { r: new Map(), d: new Map(), bytes: 0, count: 0 };
      split(readLog(layout.records), lines);
      split(pending, lines);
    }
    return lines;
  };
  const add = (kind: "r" | "d", hex: string, value: unknown) => {
    const line = encodeLine(kind, hex, value);
    load()[kind].set(hex, line);
    pending += line;
  };
  const recordAt = (hex: string) => toRecord(hex, load().r.get(hex));
  const diffAt = (hex: string) => toBlob(hex, load().d.get(hex));
  const noteBlob = (diffId: Digest, blob: Descriptor) => {
    // The plain layer is its own diffID: nothing to remember.
    if (blob.digest !== diffId && diffAt(hexOf(diffId))?.digest !== blob.digest) add("d", hexOf(diffId), blob);
  };
  const flush = () => {
    for (const hex of touched) {
      const record = recordAt(hex);
      if (record) add("r", hex, { ...(record.layer ? { layer: record.layer } : {}), value: record.value, at: Date.now() });
    }
    touched.clear();
    if (pending === "") return;
    session.begin();
    appendToLog(layout.records, pending);
    pending = "";
  };

  return {
    recall(key) {
      const record = recordAt(hexOf(key));
      if (record && Math.abs(Date.now() - record.at) > USE_GRAIN) touched.add(hexOf(key));
      return record;
    },
    remember({ key, layer, value }) {
      add("r", hexOf(key), { ...(layer ? { layer } : {}), ...(value === undefined ? {} : { value }), at: Date.now() });
      if (layer) noteBlob(layer.diffId, layer.blob);
    },
    blobOf: (diffId) => diffAt(hexOf(diffId)),
    noteBlob,
    all: () => [...load().r.keys()].flatMap((hex) => recordAt(hex) ?? []),
    diffs: () => [...load().d.keys()].flatMap((hex) => pair(hex, diffAt(hex))),
    reload() {
      lines = undefined;
    },
    flush,
    rewrite(keep, keepDiff = () => true) {
      flush();
      let gone = 0;
      replaceLog(layout.records, session.temporary(), (text) => {
        const now: Lines = { r: new Map(), d: new Map(), bytes: 0, count: 0 };
        split(text, now);
        let out = "";
        for (const [hex, line] of now.r) {
          const record = toRecord(hex, line);
          if (record && keep(record)) out += line.endsWith("\n") ? line : `${line}\n`;
          else if (record) gone++;
        }
        for (const [hex, line] of now.d) {
          const blob = toBlob(hex, line);
          if (blob && keepDiff(digestFromHex(hex), blob)) out += line.endsWith("\n") ? line : `${line}\n`;
        }
        return out;
      });
      lines = undefined;
      return gone;
    },
    bloated() {
      const { bytes, count, r, d } = load();
      return bytes > BLOATED && count > 2 * (r.size + d.size);
    },
  };
}

/** Puts the lines of a text into maps, last one wins. Nothing is checked yet. */
function split(text: string, into: Lines): void {
  into.bytes += text.length;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const next = end < 0 ? text.length : end + 1;
    const kind = text[at];
    if (kind === "r" || kind === "d") {
      const hex = text.slice(at + 2, at + 66);
      const line = text.slice(at, next);
      // A torn line must not hide an older whole one; whole lines are checked when they are asked for.
      if (end >= 0 && (!into[kind].has(hex) || decodeLine(line))) into[kind].set(hex, line);
      into.count++;
    }
    at = next;
  }
}

function toRecord(hex: string, line: string | undefined): CacheRecord | undefined {
  const value = valueOf("r", hex, line) as { layer?: CacheRecord["layer"]; value?: unknown; at?: unknown } | undefined;
  if (!value || typeof value.at !== "number") return undefined;
  const { layer } = value;
  if (layer !== undefined && (!isDigest(layer?.diffId) || !isBlob(layer.blob))) return undefined;
  return {
    key: digestFromHex(hex),
    ...(layer ? { layer } : {}),
    ...(value.value === undefined ? {} : { value: value.value }),
    at: value.at,
  };
}

function toBlob(hex: string, line: string | undefined): Descriptor | undefined {
  const value = valueOf("d", hex, line);
  return isBlob(value) ? value : undefined;
}

function valueOf(kind: "r" | "d", hex: string, line: string | undefined): unknown {
  const decoded = line === undefined ? undefined : decodeLine(line);
  return decoded?.kind === kind && decoded.hex === hex ? decoded.value : undefined;
}

function isBlob(value: unknown): value is Descriptor {
  const blob = value as Partial<Descriptor> | null | undefined;
  return (
    typeof blob === "object" &&
    blob !== null &&
    isDigest(blob.digest) &&
    Number.isSafeInteger(blob.size) &&
    typeof blob.mediaType === "string"
  );
}

function pair(hex: string, blob: Descriptor | undefined): (readonly [Digest, Descriptor])[] {
  return blob ? [[digestFromHex(hex), blob]] : [];
}
