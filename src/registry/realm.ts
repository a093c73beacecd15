import { isInnerAddress } from "../net/address.ts";

/** Why a registry's token server may not be asked, or what it may be told. */
export type RealmVerdict = { readonly ask: false; readonly why: string } | { readonly ask: true; readonly password: boolean };

/**
 * Judges the address of a token server that a registry names. It must be at least as well protected as the registry, and no inner
 * address unless the registry is one. The password goes there when it is the registry's own origin, or https and a relative of it
 * (`auth.example.org` of `registry.example.org`), or a host that was allowed. Everybody else gets to know nothing.
 */
export function judgeRealm(realm: URL, registry: URL, allowed: readonly string[]): RealmVerdict {
  if (realm.protocol !== "https:" && realm.protocol !== "http:") return { ask: false, why: "it is neither http nor https" };
  if (realm.username !== "" || realm.password !== "") return { ask: false, why: "it holds a user name" };
  if (realm.origin === registry.origin || allowed.includes(realm.host)) return { ask: true, password: true };
  if (registry.protocol === "https:" && realm.protocol === "http:") return { ask: false, why: "it is http, the registry is https" };
  if (isInner(realm.hostname) && !isInner(registry.hostname)) return { ask: false, why: "it is an inner address" };
  return { ask: true, password: realm.protocol === "https:" && related(realm.hostname, registry.hostname) };
}

function isInner(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || isInnerAddress(host);
}

/** Whether two hosts are the same, parent and child, or children of one parent that has two parts at least. */
function related(a: string, b: string): boolean {
  if (a === b) return true;
  if (/^[0-9.]+$|:/.test(a) || /^[0-9.]+$|:/.test(b)) return false;
  const inside = (host: string, domain: string) => domain.includes(".") && (host === domain || host.endsWith(`.${domain}`));
  const parent = (host: string) => host.slice(host.indexOf(".") + 1);
  return inside(a, b) || inside(b, a) || (b.split(".").length > 2 && inside(a, parent(b)));
}
