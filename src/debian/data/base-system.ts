import type { FileEntry } from "../../tree/entry.ts";
import type { Site } from "./site.ts";

/** Copies a file that a package keeps as a default to where a new system has it. */
function install(site: Site, source: string, path: string, from: string): void {
  if (site.get(site.resolve(path)) === undefined) site.copy(source, path, from);
}

const BASE = "base-files";

/** What the script of base-files does on a new system: directories, links and the files that root's shell reads. */
export function baseFiles(site: Site): void {
  if (!site.isNew(BASE)) return;
  if (site.get("/etc/dpkg/origins/debian")) site.link("/etc/dpkg/origins/default", "debian", BASE);
  for (const [name, path] of BASE_DEFAULTS) install(site, `/usr/share/base-files/${name}`, path, BASE);
  for (const dir of ["/mnt", "/srv", "/opt", "/etc/opt", "/var/opt", "/media"]) site.dir(dir, BASE);
  site.dir("/var/mail", BASE, { mode: 0o2775, gid: 8 });
  site.dir("/var/spool", BASE);
  site.link("/var/spool/mail", "../mail", BASE);
  site.dir("/run/lock", BASE, { mode: 0o1777 });
  for (const [path, target] of [["/var/run", "/run"] as const, ["/var/lock", "/run/lock"] as const]) {
    // The package ships empty directories there; nothing else may.
    if (site.names(path).length === 0 || site.get(path)?.kind === "symlink") site.link(path, target, BASE);
  }
  const script =
    site.debs
      .find(({ name }) => name === BASE)
      ?.files.get("postinst")
      ?.toString("latin1") ?? "";
  if (script.includes("/usr/local/libexec")) site.dir("/usr/local/libexec", BASE);
  for (const name of LOCAL) site.dir(`/usr/local${name}`, BASE);
  site.link("/usr/local/man", "share/man", BASE);
  for (const [name, mode] of LOGS) if (!site.get(`/var/log/${name}`)) site.file(`/var/log/${name}`, "", BASE, { mode, gid: 43 });
  // Of the script's older form; systemd's readers are the only ones left, and they take it from /usr/lib.
  if (!site.get("/etc/os-release") && site.get("/usr/lib/os-release")) site.link("/etc/os-release", "../usr/lib/os-release", BASE);
}

const BASE_DEFAULTS = [
  ["dot.profile", "/root/.profile"],
  ["dot.bashrc", "/root/.bashrc"],
  ["profile", "/etc/profile"],
  ["motd", "/etc/motd"],
  ["info.dir", "/usr/share/info/dir"],
] as const;
const LOCAL = ["", "/share", "/share/man", "/bin", "/games", "/lib", "/include", "/sbin", "/src", "/etc"];
const LOGS = [
  ["wtmp", 0o664],
  ["btmp", 0o660],
  ["lastlog", 0o664],
] as const;

/** libc-bin: how names of users and hosts are looked up. */
export function nameServices(site: Site): void {
  if (site.isNew("libc-bin")) install(site, "/usr/share/libc-bin/nsswitch.conf", "/etc/nsswitch.conf", "libc-bin");
}

/** netbase: names of this machine and of networks. A container gets its own /etc/hosts from whoever starts it. */
export function networkNames(site: Site): void {
  if (!site.isNew("netbase")) return;
  if (!site.get("/etc/hosts")) site.file("/etc/hosts", HOSTS, "netbase");
  if (!site.get("/etc/networks")) site.file("/etc/networks", NETWORKS, "netbase");
}

const HOSTS = "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n\n";
const NETWORKS = "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n";

/** tzdata: the time zone is UTC until somebody says otherwise. */
export async function timeZone(site: Site): Promise<void> {
  const tzdata = site.debs.find(({ name }) => name === "tzdata");
  if (!tzdata || !site.isNew("tzdata") || !site.lookup("/usr/share/zoneinfo/Etc/UTC")) return;
  site.link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC", "tzdata");
  // Since Debian 13 the link alone says it.
  const script = tzdata.files.get("postinst")?.toString("latin1") ?? "";
  if (/^\s*echo "\$TIMEZONE" > "\$DPKG_ROOT\/etc\/timezone"/m.test(script) && !/if test -f "\$DPKG_ROOT\/etc\/timezone"/.test(script))
    site.file("/etc/timezone", "Etc/UTC\n", "tzdata");
}

/** Shells of packages that register themselves in the list of shells (debianutils, update-shells(8)). */
export async function shells(site: Site): Promise<void> {
  if (!site.has("debianutils")) return;
  const head = (await site.text("/usr/share/debianutils/shells")) ?? "# /etc/shells: valid login shells\n";
  const listed: string[] = [];
  const add = (text: string) => {
    for (const line of text.split("\n")) {
      if (!line.startsWith("/")) continue;
      const name = line.slice(line.lastIndexOf("/"));
      const real = `${site.resolve(line.slice(0, line.lastIndexOf("/")))}${name}`;
      for (const one of [line, real]) if (!listed.includes(one)) listed.push(one);
    }
  };
  add(head);
  for (const entry of site.below("/usr/share/debianutils/shells.d"))
    if (entry.kind === "file") add((await site.read(entry as FileEntry)).toString("utf8"));
  const own = head.split("\n");
  const more = listed.filter((line) => !own.includes(line));
  site.file("/etc/shells", `${head}${more.map((line) => `${line}\n`).join("")}`, "debianutils");
  site.file("/var/lib/shells.state", listed.map((line) => `${line}\n`).join(""), "debianutils");
}
