import { printable } from "../kit/printable.ts";

/** Parameters of a query that let whoever has them in: signed addresses of Amazon, Google and Azure, and what tokens are usually called. */
const SIGNED = /^(?:x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid|key-pair-id|policy|sig)$/i;
const CALLED = /^(?:signature|code|auth|(?:[a-z_-]*[_-])?(?:token|secret|password|passwd|api[_-]?key))$/i;

/**
 * A URL fit for messages, history and logs: user name and password become `xxxxx` (as BuildKit writes them), and so do the values of
 * parameters that let somebody in (a registry redirects to signed addresses); untrusted characters are escaped. Works for anything that
 * looks like `scheme://user:password@host`, well formed or not.
 */
export function redactUrl(url: string): string {
  const scheme = url.indexOf("://");
  if (scheme < 0) return printable(url);
  const start = scheme + 3;
  const end = endOfAuthority(url, start);
  const at = url.lastIndexOf("@", end - 1);
  if (at < start) return printable(withoutKeys(url));
  const user = url.slice(start, at);
  const hidden = user.includes(":") ? "xxxxx:xxxxx" : "xxxxx";
  return printable(withoutKeys(`${url.slice(0, start)}${hidden}${url.slice(at)}`));
}

function withoutKeys(url: string): string {
  const query = url.indexOf("?");
  if (query < 0) return url;
  const fragment = url.indexOf("#", query);
  const end = fragment < 0 ? url.length : fragment;
  const pairs = url.slice(query + 1, end).split("&");
  const shown = pairs.map((pair) => {
    const is = pair.indexOf("=");
    const name = pair.slice(0, Math.max(is, 0));
    return SIGNED.test(name) || CALLED.test(name) ? `${name}=xxxxx` : pair;
  });
  return `${url.slice(0, query + 1)}${shown.join("&")}${url.slice(end)}`;
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
