import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { MAX_ID } from "../format/passwd.ts";

/** A range of ids of the host that a user may give to his containers. subuid(5). */
export interface SubIdRange {
  readonly start: number;
  readonly count: number;
}

/** The kernel takes so many lines of a map (user_namespaces(7)); one is the user himself. */
const MAX_RANGES = 339;

/** The ranges of this user in /etc/subuid or /etc/subgid; none where the file is not there. Lines name the user or his number. */
export function ownSubIds(file: "/etc/subuid" | "/etc/subgid", text: string | undefined = readText(file)): readonly SubIdRange[] {
  const names = new Set([`${process.getuid?.() ?? -1}`, userName()]);
  const ranges: SubIdRange[] = [];
  for (const line of (text ?? "").split("\n")) {
    const [name = "", start = "", count = ""] = line.trim().split(":");
    const range = { start: Number(start), count: Number(count) };
    const whole = /^\d+$/.test(start) && /^\d+$/.test(count) && range.count > 0 && range.start + range.count - 1 <= MAX_ID;
    if (names.has(name) && whole && ranges.length < MAX_RANGES) ranges.push(range);
  }
  return ranges;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // Not in /etc/passwd.
  }
}
