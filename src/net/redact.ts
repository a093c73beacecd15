import { printable } from "../kit/printable.ts";

/**
 * A URL fit for messages, history and logs: user name and password become `xxxxx` (as BuildKit writes them), untrusted
 * characters are escaped. Works for anything that looks like `scheme://user:password@host`, well formed or not.
 */
export function redactUrl(url: string): string {
  const scheme = url.indexOf("://");
  if (scheme < 0) return printable(url);
  const start = scheme + 3;
  const end = endOfAuthority(url, start);
  const at = url.lastIndexOf("@", end - 1);
  if (at < start) return printable(url);
  const user = url.slice(start, at);
  const hidden = user.includes(":") ? "xxxxx:xxxxx" : "xxxxx";
  return printable(`${url.slice(0, start)}${hidden}${url.slice(at)}`);
}

/** The same URL without user name and password, for cache keys and `origin` of a kept .git directory. */
export function withoutUserinfo(url: string): string {
  const scheme = url.indexOf("://");
  if (scheme < 0) return url;
  const start = scheme + 3;
  const at = url.lastIndexOf("@", endOfAuthority(url, start) - 1);
  return at < start ? url : url.slice(0, start) + url.slice(at + 1);
}

function endOfAuthority(url: string, start: number): number {
  for (let at = start; at < url.length; at++) if ("/?#\\".includes(url[at] as string)) return at;
  return url.length;
}
