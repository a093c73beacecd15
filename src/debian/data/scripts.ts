import type { Deb } from "../deb.ts";
import { alternativesOf } from "./alternatives.ts";

/**
 * Packages whose scripts were read by us, and what becomes of what they do. `done`: an effect of this folder does it. `nothing`: on a new
 * system they change nothing that a program in an image would miss.
 */
const KNOWN: Readonly<Record<string, readonly ["done" | "nothing", string]>> = {
  adduser: ["nothing", "moves an old configuration file"],
  apt: ["nothing", "makes the user _apt where base-passwd does not have it, and removes files of older versions"],
  "base-files": ["done", "base-system.ts"],
  "base-passwd": ["done", "accounts.ts"],
  bash: ["nothing", "sh and the manual page of builtins, which only old systems have as alternatives"],
  "ca-certificates": ["done", "certificates.ts"],
  "ca-certificates-java": ["done", "certificates.ts"],
  coreutils: ["nothing", "removes a directory of old systems"],
  dash: ["nothing", "asks who is /bin/sh: the package has the link itself"],
  debconf: ["nothing", "settings of the questions that nobody is asked"],
  "debian-archive-keyring": ["nothing", "moves keyrings of older versions"],
  debianutils: ["done", "base-system.ts (shells)"],
  dpkg: ["done", "records.ts"],
  e2fsprogs: ["nothing", "restarts a timer"],
  "gcc-14": ["nothing", "removes directories of older versions"],
  "init-system-helpers": ["nothing", "removes files of older versions"],
  "java-common": ["nothing", "files for preferences of the whole system, which Java makes itself when they are written"],
  libc6: ["nothing", "restarts services and looks for old kernels"],
  "libc-bin": ["done", "base-system.ts and ld-cache.ts"],
  "libpam-modules": ["nothing", "moves settings of older versions"],
  "libpam-runtime": ["done", "pam.ts"],
  libpam0g: ["nothing", "restarts services"],
  login: ["nothing", "a file for failed logins"],
  mount: ["nothing", "tells systemd to look again"],
  netbase: ["done", "base-system.ts"],
  openssl: ["nothing", "a link that the package has itself"],
  passwd: ["done", "accounts.ts"],
  "perl-base": ["nothing", "removes a directory of old systems"],
  procps: ["nothing", "restarts a service"],
  python3: ["nothing", "byte code, which Python makes by itself"],
  "python3-minimal": ["nothing", "byte code, which Python makes by itself"],
  "sysvinit-utils": ["nothing", "moves files of older versions"],
  gzip: ["nothing", "diversions of old systems"],
  libselinux1: ["nothing", "a diversion of old systems"],
  "login.defs": ["nothing", "takes a file over from an older package"],
  "readline-common": ["nothing", "a default that readline also has without the file"],
  libreadline8t64: ["nothing", "diversions of old systems"],
  "libgssapi-krb5-2": ["nothing", "moves a file of older versions"],
  libgcrypt20: ["nothing", "removes links of older versions"],
  perl: ["nothing", "a trigger on upgrades"],
  usrmerge: ["done", "usr-merge.ts"],
  "fontconfig-config": ["nothing", "links for taste in drawing letters"],
  "libglib2.0-0": ["nothing", "caches that are also read without"],
  "libglib2.0-0t64": ["nothing", "caches that are also read without"],
  git: ["nothing", "removes a directory of older versions"],
  "ubuntu-keyring": ["nothing", "removes keys of older versions"],
  tar: ["nothing", "an alternative of old systems"],
  tzdata: ["done", "base-system.ts"],
  "util-linux": ["nothing", "a timer, and settings of old systems"],
};

/** Families of packages with a version in their name. */
const FAMILIES: readonly (readonly [RegExp, "done" | "nothing", string])[] = [
  [/^(?:lib)?python3\.\d+(?:-minimal|-stdlib)?$/, "nothing", "byte code, which Python makes by itself; an empty site customisation"],
  [/^openjdk-\d+-j(?:re|dk)(?:-headless)?$/, "done", "alternatives.ts"],
  [/^(?:gcc|g\+\+|cpp|golang)(?:-\d+[\d.]*)?(?:-[a-z0-9-]+)?$/, "nothing", "directories of older versions"],
];

/** Parts that debhelper writes, by its commands: what they do is either nothing on a new system or an effect of this folder. */
const HARMLESS_HELPERS = new Set([
  "dh_apparmor",
  "dh_installalternatives",
  "dh_installdeb",
  "dh_installdebconf",
  "dh_installinit",
  "dh_installmenu",
  "dh_installmime",
  "dh_installsystemd",
  "dh_installsystemduser",
  "dh_installsysusers",
  "dh_installtmpfiles",
  "dh_makeshlibs",
  "dh_movetousr",
  "dh_pypy",
  "dh_python2",
  "dh_python3",
  "dh_systemd_enable",
  "dh_systemd_start",
  "dh_ucf",
  "dh_usrlocal",
  "dh_icons",
  "dh_installxfonts",
]);

/**
 * Whether what the scripts of a package would do on a new system matters and is not done: then a few words on why, for a warning.
 * A script counts as harmless when its package is known, or when nothing is left of it but comments, what debhelper adds, alternatives that
 * were read, and the frame around them.
 */
export function uncovered(deb: Deb): string | undefined {
  if (KNOWN[deb.name] ?? FAMILIES.find(([form]) => form.test(deb.name))) return undefined;
  // What comes after unpacking first: most of what comes before is for upgrades.
  for (const name of ["postinst", "preinst"] as const) {
    const script = deb.files.get(name)?.toString("utf8");
    if (script === undefined) continue;
    if (!/^#!\s*\/bin\/(?:da|ba)?sh\b/.test(script)) return `its ${name} is no shell script`;
    const { rest, helpers } = stripped(script);
    const { unread } = name === "postinst" ? alternativesOf(deb) : { unread: 0 };
    const own = rest.filter((one) => !isFrame(one) && !(/^update-alternatives\b/.test(one) && unread === 0));
    // The line that says most: one that makes an account, else one that changes files, else the first.
    const line = own.find((one) => ACCOUNTS.test(one)) ?? own.find((one) => TELLING.test(one)) ?? own[0];
    if (line !== undefined) return `its ${name} does more: ${line.length > 80 ? `${line.slice(0, 80)}…` : line}`;
    const other = helpers.find((one) => !HARMLESS_HELPERS.has(one));
    if (other) return `its ${name} has a part by ${other}`;
  }
  return undefined;
}

const ACCOUNTS = /\b(?:adduser|addgroup|useradd|groupadd)\b/;
const TELLING = new RegExp(
  [
    "\\b(?:dpkg-statoverride --(?:add|update)|setcap|chown|chgrp|chmod|install -|mkdir|ln -|cp |mv |mktemp|locale-gen",
    "|[a-z]+-(?:generate|gen|register)|update-[a-z-]+)\\b",
  ].join(""),
);

/** A script's own lines, and the names of the debhelper commands that wrote the others. */
function stripped(script: string): { readonly rest: readonly string[]; readonly helpers: readonly string[] } {
  const helpers: string[] = [];
  const rest: string[] = [];
  let inside = false;
  for (const raw of script.replace(/\\\n/g, " ").split("\n")) {
    const line = raw.trim().replace(/\s+/g, " ");
    const [, helper] = /^# Automatically added by ([\w-]+)/.exec(line) ?? [];
    if (helper !== undefined) {
      helpers.push(helper);
      inside = true;
    } else if (line.startsWith("# End automatically added section")) inside = false;
    else if (!inside && line !== "" && !line.startsWith("#")) rest.push(line);
  }
  return { rest, helpers };
}

/** Lines that decide nothing by themselves: the frame of a script, messages, and calls that only matter on a system that runs. */
function isFrame(line: string): boolean {
  return FRAME.some((form) => form.test(line));
}

const FRAME = [
  /^set -[eux]+$/,
  /^exit \d+;?$/,
  /^(?:true|:|;;|esac;?|fi;?|done;?|else|then|do|\}|\{|return(?: \d+)?;?)$/,
  /^case "?\$\{?1\}?"? in$/,
  /^"?\(?[a-z|\s"*-]+\)( ;;| exit 0 ;;| :)?$/,
  /^\*\) ?(?:;;)?$/,
  /^if \[ "?\$1"? (?:=|!=) "?[a-z-]+"? \](?: (?:\|\||-o) \[ "?\$1"? = "?[a-z-]+"? \])*;? ?(?:then)?$/,
  /^echo\b[^>]*(?:>&2)?$/,
  /^(?:LC_ALL|LANG|PATH)=\S*(?:; export \S+)?$/,
  /^[A-Za-z_]+=(?:"[^"`$]*"|'[^']*'|"?\$\{?1\}?"?|[\w./-]*);?$/,
  /^export [A-Z_]+(?:=\S*)?$/,
  /^unset [A-Z_]+$/,
  /^dpkg-maintscript-helper (?:rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink) /,
  /^(?:ldconfig|invoke-rc\.d|update-rc\.d|deb-systemd-invoke|deb-systemd-helper|dpkg-trigger|py3compile|py3clean)\b/,
];
