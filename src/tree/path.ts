/**
 * A path inside an image: absolute, `/`-separated, no `.`, `..`, empty or trailing part; `/` is the root.
 * Bytes that are not UTF-8 are kept as kit/bytes.ts describes.
 */
export type Path = string & { readonly __path: true };

export const ROOT = "/" as Path;

/** Normalises any text to a path inside the image, as if `/` were its root: `..` never leads out. */
export function toPath(text: string, base: Path = ROOT): Path {
  const parts: string[] = text.startsWith("/") || base === ROOT ? [] : base.slice(1).split("/");
  for (const part of text.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}` as Path;
}

/** The directory that a path lies in; the root's is the root. */
export function parentOf(path: Path): Path {
  const at = path.lastIndexOf("/");
  return (at <= 0 ? "/" : path.slice(0, at)) as Path;
}

/** The last part of a path; empty for the root. */
export function nameOf(path: Path): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A path below a directory. `relative` has no `.` or `..` parts and no leading slash. */
export function join(dir: Path, relative: string): Path {
  if (relative === "") return dir;
  return (dir === ROOT ? `/${relative}` : `${dir}/${relative}`) as Path;
}

/** Whether `path` is `dir` or lies below it. */
export function isWithin(path: Path, dir: Path): boolean {
  return dir === ROOT || path === dir || (path.startsWith(dir) && path.charCodeAt(dir.length) === 47);
}
