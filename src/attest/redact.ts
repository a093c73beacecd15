/** What stands in place of what nobody shall read. */
const HIDDEN = "xxxxx";
/** Anything that looks like a URL in running text. */
const URLS = /[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>|\\]+/gi;
/** A shorter one occurs by chance. */
const LEAST = 6;

/**
 * A URL for a statement: without user name and password, its query's values hidden, its fragment only where it is a ref of git. What is no
 * URL (`git@host:path`, a name) stays as it is.
 */
export function safeUrl(url: string): string {
  return hidden(url, "");
}

/**
 * Running text for a statement: passwords and query values of all URLs in it, and every one of `secrets`, are hidden. Secrets of fewer than
 * six characters are not looked for.
 */
export function safeText(text: string, secrets: readonly string[] = []): string {
  let safe = text.replaceAll(URLS, (url) => hidden(url, `${HIDDEN}@`));
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) if (secret.length >= LEAST) safe = safe.replaceAll(secret, HIDDEN);
  return safe;
}

/** `instead` is what stands in place of user name, password and `@`. */
function hidden(url: string, instead: string): string {
  const scheme = url.indexOf("://");
  if (scheme < 0) return url;
  const rest = url.slice(scheme + 3);
  const end = rest.search(/[/?#\\]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  let at = authority.lastIndexOf("@");
  // A password with a slash in it, which programs read in different ways: better too much than too little.
  if (at < 0 && /:(?!\d+$)/.test(authority.replace(/^\[[^\]]*\]/, ""))) at = rest.lastIndexOf("@");
  const [before, fragment] = cut(at < 0 ? rest : instead + rest.slice(at + 1), "#");
  const [place, query] = cut(before, "?");
  const hiddenQuery = query === undefined ? "" : `?${query.split("&").map(hiddenPair).join("&")}`;
  const hiddenFragment = fragment === undefined ? "" : `#${/[=&]/.test(fragment) ? HIDDEN : fragment}`;
  return url.slice(0, scheme + 3) + place + hiddenQuery + hiddenFragment;
}

function hiddenPair(pair: string): string {
  const [name, value] = cut(pair, "=");
  return value === undefined ? HIDDEN : `${name}=${HIDDEN}`;
}

function cut(text: string, at: string): [string, string | undefined] {
  const place = text.indexOf(at);
  return place < 0 ? [text, undefined] : [text.slice(0, place), text.slice(place + 1)];
}
