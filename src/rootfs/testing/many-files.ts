import type { Draft, Entry } from "../../tree/entry.ts";
import { type Path, toPath } from "../../tree/path.ts";

/** A layer of so many small files in folders of a hundred, in canonical order. */
export function manyFiles(count: number): Draft {
  const facts = { uid: 0, gid: 0, mtime: 1000 };
  const draft: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const folder = toPath(`/${String(Math.floor(at / 100)).padStart(6, "0")}`);
    if (at % 100 === 0) draft.push({ kind: "dir", path: folder, mode: 0o755, ...facts });
    const bytes = Buffer.from(`file ${at}`);
    const path = `${folder}/${String(at).padStart(8, "0")}` as Path;
    draft.push({ kind: "file", path, mode: 0o644, ...facts, size: bytes.length, content: { in: "memory", bytes } });
  }
  return draft;
}
