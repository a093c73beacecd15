import type { Recipe, RecipeConfig, Stage } from "./recipe.ts";
import { DOCUMENTATION } from "./recipe-parts.ts";

/** What a container never starts, beside the documentation. */
const DOCS = [
  ...DOCUMENTATION,
  "usr/share/binfmts",
  "etc/init.d",
  "etc/default",
  "etc/logrotate.d",
  "usr/lib/systemd",
  "usr/lib/tmpfiles.d",
];
const PROGRAMS = ["usr/bin", "usr/sbin", "usr/games"];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/** Only scripts or commands that are cut off need these. */
const ASSUME = ["debconf", "cdebconf", "mawk", "gawk", "original-awk", "openssl", "openssl-provider-legacy", "dpkg", "perl-base", "perl"];

const NSSWITCH = Buffer.from(`passwd:         files
group:          files
shadow:         files

hosts:          files dns
networks:       files

protocols:      db files
services:       db files
ethers:         db files
rpc:            db files
`);

const USERS: Pick<Stage, "users" | "groups"> = {
  users: [
    { name: "root", uid: 0, home: "/root", comment: "root" },
    { name: "nobody", uid: 65_534, home: "/nonexistent", comment: "nobody" },
    { name: "nonroot", uid: 65_532, home: "/home/nonroot", comment: "nonroot" },
  ],
};

const STATIC: Stage = {
  title: "certificates, time zones, users and names",
  packages: ["base-files", "ca-certificates", "media-types", "netbase", "tzdata"],
  assume: ASSUME,
  exclude: [
    ...DOCS,
    ...PROGRAMS.map((one) => `${one}/*`),
    "boot",
    "media",
    "mnt",
    "opt",
    "srv",
    "etc/ca-certificates",
    "etc/ca-certificates.conf",
    "etc/dpkg",
    "etc/issue*",
    "etc/motd",
    "etc/opt",
    "etc/profile",
    "etc/profile.d",
    "etc/skel",
    "etc/ssl/certs/*",
    `!${CERTIFICATES.slice(1)}`,
    "etc/update-motd.d",
    "root/.*",
    "usr/games",
    "usr/include",
    "usr/src",
    "usr/local/*",
    "!usr/local/bin",
    "usr/share/base-files",
    "usr/share/ca-certificates",
    "usr/share/common-licenses",
    "usr/share/dict",
    "usr/share/misc",
    "usr/share/zoneinfo/posix",
    "usr/share/zoneinfo/right",
    "var/backups",
    "var/local",
    "var/log/*",
    "var/mail",
    "var/opt",
    "var/spool",
  ],
  ...USERS,
  files: [
    { path: "/etc/nsswitch.conf", bytes: NSSWITCH },
    { path: "/usr/lib/ssl/cert.pem", link: CERTIFICATES },
  ],
};

const LIBC: Stage = {
  title: "the C library",
  packages: ["libc6", "libc-bin"],
  assume: ["libgcc-s1", "libcrypt1", "libidn2-0"],
  exclude: [...DOCS, ...PROGRAMS, "usr/share/libc-bin", "var/cache"],
};

const SSL: Stage = { title: "OpenSSL", packages: ["libssl3"], exclude: [...DOCS, ...PROGRAMS] };

const CC: Stage = {
  title: "libraries of C++ and OpenMP",
  packages: ["libgcc-s1", "libgomp1", "libstdc++6"],
  exclude: [...DOCS, ...PROGRAMS],
};

const PYTHON: Stage = {
  title: "Python",
  packages: ["python3"],
  exclude: [
    ...DOCS,
    ...PROGRAMS.map((one) => `${one}/*`),
    "!usr/bin/python3*",
    "usr/bin/*-config",
    "usr/share/python3",
    "usr/share/debconf",
    "usr/share/readline",
    "usr/lib/valgrind",
    "usr/lib/python3*/test",
    "usr/lib/python3*/ensurepip",
    "usr/lib/python3*/idlelib",
    "usr/lib/python3*/turtledemo",
    "usr/lib/python3*/pydoc_data",
    "etc/python3",
    "usr/lib/terminfo",
    "etc/terminfo",
  ],
};

const NODEJS: Stage = {
  title: "Node.js",
  packages: ["nodejs"],
  assume: ["nodejs-doc", "node-typescript", "npm", "node-types-node"],
  exclude: [
    ...DOCS,
    ...PROGRAMS.map((one) => `${one}/*`),
    "!usr/bin/node",
    "!usr/bin/nodejs",
    "usr/include",
    "usr/share/systemtap",
    "usr/share/nodejs/corepack",
    "usr/share/nodejs/*/bin",
  ],
};

const JAVA: Stage = {
  title: "Java",
  packages: ["default-jre-headless"],
  // Commands for a helper that is cut off, a store of keys that only a setting of one's own would use, printers, sound.
  assume: ["util-linux", "libnss3", "libcups2", "libasound2"],
  exclude: [
    ...DOCS,
    ...PROGRAMS.map((one) => `${one}/*`),
    "!usr/bin/java",
    "etc/.java",
    "etc/environment",
    "etc/pam.d",
    "etc/security",
    "var/lib/pam",
    "var/lib/systemd",
    "usr/share/pam*",
    "usr/lib/jvm/*/lib/jexec",
    "usr/lib/*/glib-2.0",
    "usr/lib/jvm/*/lib/server/classes_nocoops.jsa",
    "usr/share/ca-certificates-java",
    "usr/lib/jvm/*/bin/*",
    "!usr/lib/jvm/*/bin/java",
    "usr/lib/jvm/*/man",
    "usr/lib/jvm/*/docs",
    "usr/lib/debug",
    "var/lib/ca-certificates-java",
    "etc/ca-certificates",
    "etc/ssl/certs/*",
    "!etc/ssl/certs/java",
  ],
};

const DEBIAN: Stage = {
  title: "Debian, its essential packages and apt",
  packages: ["apt"],
  priorities: ["required"],
  essential: true,
  // What would make /usr merged by a script there, where a package that only says it is does.
  inSuites: { bookworm: ["usr-is-merged"] },
};

const GO: Stage = { title: "Go and git", packages: ["golang-go", "git", "ca-certificates"] };

const DEBUG: Stage = {
  title: "busybox in /busybox",
  packages: ["busybox-static"],
  applets: { busybox: "/usr/bin/busybox", folder: "/busybox" },
  exclude: DOCS,
};

const BUSYBOX: Stage = {
  title: "busybox",
  packages: ["busybox-static"],
  applets: { busybox: "/usr/bin/busybox", folder: "/usr/bin" },
  exclude: DOCS,
  ...USERS,
  files: [
    { path: "/tmp", directory: true, mode: 0o1777 },
    { path: "/var/tmp", directory: true, mode: 0o1777 },
    { path: "/etc/nsswitch.conf", bytes: NSSWITCH },
  ],
};

/** A part of an image, to be copied into one that was begun from nothing. */
function piece(stage: Stage): Recipe {
  return { stages: [stage], config: {}, mergedUsr: false };
}

function image(stages: readonly Stage[], config: RecipeConfig = {}): Recipe {
  return { stages, config: { user: "0", ...config, env: { PATH, SSL_CERT_FILE: CERTIFICATES, ...config.env } } };
}

const PLAIN = { env: { PATH } };

/** The images under the reserved namespace `nought/`, by their names. */
export const EMBEDDED: Readonly<Record<string, Recipe>> = {
  certs: piece({
    title: "certificates",
    packages: ["ca-certificates"],
    assume: ASSUME,
    exclude: ["**", `!${CERTIFICATES.slice(1)}`, "!usr/share/doc/ca-certificates/copyright", "!var/lib/dpkg"],
  }),
  tzdata: piece({
    title: "time zones",
    packages: ["tzdata"],
    assume: ASSUME,
    exclude: [...DOCS, "usr/share/zoneinfo/posix", "usr/share/zoneinfo/right"],
  }),
  users: piece({ title: "root, nobody and nonroot", packages: [], ...USERS }),
  tmp: piece({
    title: "a place for temporary files",
    packages: [],
    files: [
      { path: "/tmp", directory: true, mode: 0o1777 },
      { path: "/var/tmp", directory: true, mode: 0o1777 },
    ],
  }),
  nsswitch: piece({ title: "how names are looked up", packages: [], files: [{ path: "/etc/nsswitch.conf", bytes: NSSWITCH }] }),
  static: image([STATIC]),
  "base-nossl": image([STATIC, LIBC]),
  base: image([STATIC, LIBC, SSL]),
  cc: image([STATIC, LIBC, SSL, CC]),
  python: image([STATIC, LIBC, SSL, CC, PYTHON], { entrypoint: ["/usr/bin/python3"], env: { LANG: "C.UTF-8" } }),
  nodejs: image([STATIC, LIBC, SSL, CC, NODEJS], { entrypoint: ["/usr/bin/node"] }),
  java: image([STATIC, LIBC, SSL, CC, JAVA], { entrypoint: ["/usr/bin/java", "-jar"], env: { LANG: "C.UTF-8" } }),
  busybox: { stages: [BUSYBOX], config: { ...PLAIN, cmd: ["sh"] } },
  toolbox: { stages: [BUSYBOX, { ...STATIC, users: [], groups: [], files: [] }], config: { ...PLAIN, cmd: ["sh"] } },
  debian: { apt: true, stages: [DEBIAN], config: { ...PLAIN, cmd: ["bash"] } },
  golang: {
    apt: true,
    stages: [DEBIAN, GO],
    config: { env: { PATH: `/go/bin:${PATH}`, GOPATH: "/go", GOTOOLCHAIN: "local" }, workdir: "/go", cmd: ["bash"] },
  },
};

/** Images that can be had with busybox in them. */
const DEBUGGABLE = new Set(["static", "base-nossl", "base", "cc", "python", "nodejs", "java"]);

/** What a tag of an embedded image asks for. */
export interface EmbeddedTag {
  readonly suite?: string;
  readonly debug: boolean;
  readonly nonroot: boolean;
}

/** Reads `latest`, `SUITE`, and either with `debug` and `nonroot`: `trixie-debug-nonroot`. Undefined for any other tag. */
export function readTag(tag: string): EmbeddedTag | undefined {
  const [, first = "", debug, nonroot] = /^([a-z]+?)??(?:(?:^|-)(debug))?(?:(?:^|-)(nonroot))?$/.exec(tag) ?? [];
  if (tag === "" || first === "debug" || first === "nonroot") return undefined;
  if (first === "" && debug === undefined && nonroot === undefined) return undefined;
  return { ...(first === "" || first === "latest" ? {} : { suite: first }), debug: debug !== undefined, nonroot: nonroot !== undefined };
}

/** The recipe of an embedded image with what its tag asks for; undefined where there is none of that name or kind. */
export function embeddedRecipe(name: string, tag: EmbeddedTag): Recipe | undefined {
  const recipe = Object.hasOwn(EMBEDDED, name) ? (EMBEDDED[name] as Recipe) : undefined;
  if (recipe === undefined || ((tag.debug || tag.nonroot) && !DEBUGGABLE.has(name))) return undefined;
  const { config } = recipe;
  const path = config.env?.PATH ?? PATH;
  return {
    ...recipe,
    stages: tag.debug ? [...recipe.stages, DEBUG] : recipe.stages,
    config: {
      ...config,
      ...(tag.nonroot ? { user: "65532", workdir: "/home/nonroot" } : {}),
      ...(tag.debug ? { env: { ...config.env, PATH: `${path}:/busybox` }, entrypoint: config.entrypoint ?? ["/busybox/sh"] } : {}),
    },
  };
}
