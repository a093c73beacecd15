import { compareNames } from "../../kit/bytes.ts";
import type { FileEntry } from "../../tree/entry.ts";
import type { Site } from "./site.ts";

/** The files of /etc/pam.d that pam-auth-update(8) writes, and which part of a profile each is made of. */
const FILES = [
  ["common-auth", "auth"],
  ["common-account", "account"],
  ["common-password", "password"],
  ["common-session", "session"],
  ["common-session-noninteractive", "session"],
] as const;

interface Profile {
  readonly name: string;
  readonly priority: number;
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * libpam-runtime and libpam-modules: how programs find out who somebody is. The profiles that say `Default: yes` (that is the one for
 * /etc/shadow, unless other packages bring theirs) are written into their templates, as `pam-auth-update --package` does on a new system.
 */
export async function authentication(site: Site): Promise<void> {
  if (site.isNew("libpam-modules")) {
    if (!site.get("/etc/environment")) site.file("/etc/environment", "", "libpam-modules");
    site.file("/etc/security/opasswd", "", "libpam-modules", { mode: 0o600 });
  }
  if (!site.isNew("libpam-runtime")) return;
  const profiles = await profilesOf(site);
  for (const [name, type] of FILES) {
    const template = await site.text(`/usr/share/pam/${name}`);
    if (template === undefined) continue;
    const quiet = name === "common-session-noninteractive";
    const taken = profiles.filter(
      ({ fields }) => fields.get("default") === "yes" && !(quiet && fields.get("session-interactive-only") === "yes"),
    );
    const primary = linesOf(taken, type, "primary");
    const additional = linesOf(taken, type, "additional");
    const nothing = primary.length === 0 ? ["[default=1]\t\t\tpam_permit.so"] : [];
    const stem = quiet ? "session_nonint" : type;
    const block = (lines: readonly string[]) => lines.map((line) => `${type}\t${line}\n`).join("");
    const text = template
      .replace(`$${stem}_primary\n`, () => block([...nothing, ...primary.map((line, at) => ended(line, primary.length - at))]))
      .replace(`$${stem}_additional\n`, () => block(additional.map((line) => ended(line, 0))));
    site.file(`/etc/pam.d/${name}`, text, "libpam-runtime");
    const state = [...(nothing.length > 0 ? ["Module: null", ...nothing] : []), ...modules(taken, type)];
    site.file(`/var/lib/pam/${name.replace("common-", "")}`, `${state.join("\n")}\n`, "libpam-runtime");
  }
  site.file("/var/lib/pam/seen", profiles.map(({ name }) => `${name}\n`).join(""), "libpam-runtime");
}

/** Highest priority first. */
async function profilesOf(site: Site): Promise<Profile[]> {
  const found: Profile[] = [];
  for (const name of site.names("/usr/share/pam-configs")) {
    const entry = site.lookup(`/usr/share/pam-configs/${name}`);
    if (entry?.kind !== "file") continue;
    const fields = new Map<string, string>();
    let key = "";
    for (const line of (await site.read(entry as FileEntry)).toString("utf8").split("\n")) {
      const [, field, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
      if (field !== undefined) {
        key = field.toLowerCase();
        fields.set(key, value as string);
      } else if (line.trim() !== "" && key !== "") fields.set(key, `${fields.get(key)}\n${line.replace(/^\s+/, "")}`);
    }
    found.push({ name, priority: Number(fields.get("priority") ?? 0), fields });
  }
  return found.sort((a, b) => b.priority - a.priority || compareNames(a.name, b.name));
}

/** The lines of a part of each profile; the first of a stack has lines of its own. */
function linesOf(profiles: readonly Profile[], type: string, kind: "primary" | "additional"): string[] {
  const own = profiles.filter(({ fields }) => fields.get(`${type}-type`)?.toLowerCase() === kind);
  return own.flatMap(({ fields }, at) => linesIn((at === 0 ? fields.get(`${type}-initial`) : undefined) ?? fields.get(type)));
}

function modules(profiles: readonly Profile[], type: string): string[] {
  const own = profiles.filter(({ fields }) => fields.has(`${type}-type`));
  return own.flatMap(({ name, fields }) => [`Module: ${name}`, ...linesIn(fields.get(`${type}-initial`) ?? fields.get(type))]);
}

function linesIn(text: string | undefined): string[] {
  return (text ?? "").split("\n").filter((line) => line !== "");
}

/** `end` is the number of lines to jump over, to behind the line that refuses. A module without options is followed by a blank. */
function ended(line: string, left: number): string {
  return line.replace(/=end\b/g, `=${left}`).replace(/\.so$/, ".so ");
}
