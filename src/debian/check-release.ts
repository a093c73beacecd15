import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Release } from "./release.ts";
import type { Site } from "./site.ts";

/** Clocks differ: so far ahead of ours a Date may be. Milliseconds. */
const AHEAD = 10 * 60_000;
const DAY = 86_400_000;

/** How old a suite is, in words. `at` and `then` are milliseconds since the epoch. */
export function ageOf(then: number, at: number): string {
  const days = Math.floor((at - then) / DAY);
  const hours = Math.floor((at - then) / 3_600_000);
  return days >= 2 ? `${days} days` : hours >= 2 ? `${hours} hours` : "less than two hours";
}

/** Refuses a signed file that is of another suite than the one asked for: a mirror may serve any signed file anywhere. Throws SIGNATURE. */
export function checkSuite(release: Release, site: Site, where: string): void {
  const { suite, codename } = release;
  const names = [...new Set([suite, codename])].filter((name) => name !== "");
  // Older archives say `bullseye` in the file below `bullseye/updates`; two parts are one name.
  if (names.length === 0 || names.includes(site.suite)) return;
  throw new Failure(
    "SIGNATURE",
    `${printable(where)}: it is the signed file of ${printable(names.join(" or "))}, not of ${printable(site.suite)}`,
    {
      hint: "The mirror serves another suite under this name; try another mirror.",
    },
  );
}

/**
 * Refuses a Release file from the future or beyond its Valid-Until. What the owner of the machine (apt's configuration) or `allowExpired`
 * lets pass is told to `note`. Throws SIGNATURE.
 */
export function checkDates(
  release: Release,
  site: Site,
  where: string,
  at: number,
  allowExpired: boolean,
  note: (text: string) => void,
): void {
  const name = printable(where);
  if (release.date !== undefined && release.date > at + AHEAD) {
    const ahead = `${name}: it is from the future (${new Date(release.date).toISOString()}, and here it is ${new Date(at).toISOString()})`;
    if (site.checkDate) throw new Failure("SIGNATURE", ahead, { hint: "Set this machine's clock." });
    note(`${ahead}; accepted, as apt's configuration says`);
  }
  if (release.validUntil === undefined || release.validUntil >= at) return;
  const expired = `${name}: it was valid until ${new Date(release.validUntil).toISOString()}, ${ageOf(release.validUntil, at)} ago`;
  if (site.checkValidUntil && !allowExpired) {
    throw new Failure("SIGNATURE", expired, {
      hint: "The mirror is not kept up to date: try another. For a snapshot of the past, --allow-expired accepts it.",
    });
  }
  note(`${expired}; accepted, as ${allowExpired ? "you asked" : "apt's configuration says"}`);
}

/** Refuses a suite whose Origin or Label is not what it was when it was last seen there. Throws SIGNATURE. */
export function checkOrigin(release: Release, before: Release, where: string): void {
  for (const [field, now, then] of [
    ["Origin", release.origin, before.origin],
    ["Label", release.label, before.label],
  ] as const) {
    if (now === then) continue;
    throw new Failure("SIGNATURE", `${printable(where)}: its ${field} was "${printable(then)}" and is now "${printable(now)}"`, {
      hint: "Another archive answers under this address. If that is right, remove the folder debian of the store.",
    });
  }
}
