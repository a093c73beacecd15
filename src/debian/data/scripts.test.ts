import assert from "node:assert/strict";
import { test } from "node:test";
import { createTask } from "../../task/task.ts";
import { type Deb, readDeb } from "../deb.ts";
import { inMemory } from "../deb-contents.ts";
import { type Member, makeDeb } from "../testing/make-deb.ts";
import { addAccounts, systemAccounts } from "./accounts.ts";
import { alternativesOf, installAlternatives } from "./alternatives.ts";
import { shells } from "./base-system.ts";
import { authentication } from "./pam.ts";
import { dpkgDatabase } from "./records.ts";
import { uncovered } from "./scripts.ts";
import { Site } from "./site.ts";
import { mergeUsr } from "./usr-merge.ts";

async function deb(name: string, scripts: Readonly<Record<string, string>>, files: readonly Member[] = [], control = {}): Promise<Deb> {
  const bytes = await makeDeb({ scripts, files, control: { Package: name, ...control } });
  async function* whole() {
    yield bytes;
  }
  return readDeb(whole(), name, inMemory(), createTask());
}

function siteOf(...debs: readonly Deb[]): Site {
  const site = new Site(async () => assert.fail("everything is in memory"));
  mergeUsr(site, "amd64");
  for (const one of debs) site.add(one);
  return site;
}

const HEAD = "#!/bin/sh\nset -e\n";

test("scripts that only frame what debhelper writes are harmless; others are named with their line", async () => {
  const helper = (name: string) =>
    `# Automatically added by ${name}/13.11\nif true; then anything; fi\n# End automatically added section\n`;
  const why = async (postinst: string, name = "x") => uncovered(await deb(name, { postinst: HEAD + postinst }));
  assert.equal(await why(`${helper("dh_installsystemd")}${helper("dh_python3")}exit 0\n`), undefined);
  assert.equal(await why('case "$1" in\n  configure)\n    ldconfig\n  ;;\nesac\n'), undefined);
  assert.equal(await why("update-alternatives --install /usr/bin/x x /usr/bin/y 1\n"), undefined);
  assert.match((await why(helper("dh_installcatalogs"))) ?? "", /a part by dh_installcatalogs/);
  assert.match((await why("adduser --system www\n")) ?? "", /does more: adduser --system www/);
  const long = 'USER="redis"\nif true; then\n  mkdir -p ${DIR}\n  adduser --system ${USER} || true\nfi\n';
  assert.equal(await why(long), "its postinst does more: adduser --system ${USER} || true");
  assert.equal(await why('USER="redis"\n'), undefined);
  assert.match((await why("echo x > /etc/file\n")) ?? "", /does more: echo x/);
  assert.match((await why("update-alternatives --install /usr/bin/x x $(find) 1\n")) ?? "", /does more/);
  assert.equal(await why("anything at all\n", "libc6"), undefined);
  assert.equal(await why("anything at all\n", "python3.13-minimal"), undefined);
  assert.match(uncovered(await deb("x", { preinst: "#!/usr/bin/perl\n" })) ?? "", /no shell script/);
  assert.equal(uncovered(await deb("x", { postrm: "#!/bin/sh\nrm -rf /x\n", prerm: "#!/usr/bin/perl\n" })), undefined);
});

test("alternatives are read from literal words, known variables and loops over them", async () => {
  const script = `${HEAD}base=/usr/lib/jvm/x
tools='java keytool'
prio=17
for i in $tools; do
  update-alternatives \\
   --install /usr/bin/$i $i $base/bin/$i $prio $slave
done
update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 \\
  --slave /usr/bin/nawk nawk /usr/bin/mawk --slave /m m /none
update-alternatives --install /usr/bin/z z $unknown 1
`;
  const { found, unread } = alternativesOf(await deb("x", { postinst: script }));
  assert.deepEqual(
    found.map(({ link, path, priority, slaves }) => `${link} ${path} ${priority} ${slaves.map((one) => one.name).join(",")}`),
    ["/usr/bin/java /usr/lib/jvm/x/bin/java 17 ", "/usr/bin/keytool /usr/lib/jvm/x/bin/keytool 17 ", "/usr/bin/awk /usr/bin/mawk 5 nawk,m"],
  );
  assert.equal(unread, 1);
});

test("the highest priority is linked, its further names where their files are, and dpkg's books say it", async () => {
  const awk = (name: string, priority: number) =>
    deb(
      name,
      {
        postinst: `${HEAD}update-alternatives --install /usr/bin/awk awk /usr/bin/${name} ${priority} --slave /usr/bin/nawk nawk /usr/bin/${name}\n`,
      },
      [{ path: `usr/bin/${name}`, text: name }],
    );
  const site = siteOf(await awk("mawk", 5), await awk("gawk", 10), await deb("dpkg", {}));
  installAlternatives(site);
  assert.equal(await site.text("/usr/bin/awk"), "gawk");
  assert.equal(await site.text("/bin/nawk"), "gawk");
  const link = site.get("/etc/alternatives/awk");
  assert(link?.kind === "symlink" && link.target === "/usr/bin/gawk");
  const books = await site.text("/var/lib/dpkg/alternatives/awk");
  assert.equal(books, "auto\n/usr/bin/awk\nnawk\n/usr/bin/nawk\n\n/usr/bin/gawk\n10\n/usr/bin/gawk\n/usr/bin/mawk\n5\n/usr/bin/mawk\n\n");
});

test("the users of Debian, without passwords; users of a recipe beside them", async () => {
  const master = [
    { path: "usr/share/base-passwd/passwd.master", text: "root:*:0:0:root:/root:/bin/bash\ndaemon:*:1:1::/usr/sbin:/usr/sbin/nologin\n" },
    { path: "usr/share/base-passwd/group.master", text: "root:*:0:\nshadow:*:42:\n" },
  ];
  const site = siteOf(await deb("base-passwd", {}, master), await deb("passwd", {}));
  await systemAccounts(site);
  assert.match((await site.text("/etc/passwd")) ?? "", /^root:x:0:0:/);
  assert.match((await site.text("/etc/shadow")) ?? "", /^root:\*:11574:0:99999:7:::\ndaemon:\*:/);
  assert.equal(site.get("/etc/shadow")?.mode, 0o640);
  await addAccounts(site, [{ name: "app", uid: 1001, home: "/srv/app" }], [{ name: "www", gid: 33, members: ["app"] }]);
  assert.match((await site.text("/etc/passwd")) ?? "", /app:x:1001:1001::\/srv\/app:\/sbin\/nologin\n$/);
  assert.match((await site.text("/etc/group")) ?? "", /www:x:33:app\napp:x:1001:\n$/);
  for (const wrong of [
    { name: "a:b", uid: 1 },
    { name: "x", uid: -1 },
    { name: "x", uid: 1, shell: "/bin/x\nroot::0:0" },
  ])
    await assert.rejects(addAccounts(site, [wrong], []), { code: "PACKAGE" });
});

test("PAM's profiles are written into their templates as pam-auth-update does", async () => {
  const unix =
    "Name: Unix\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass\nAuth-Initial:\n\t[success=end default=ignore]\tpam_unix.so nullok\nSession-Type: Additional\nSession:\n\trequired\tpam_unix.so\n";
  const site = siteOf(
    await deb("libpam-runtime", {}, [
      { path: "usr/share/pam-configs/unix", text: unix },
      { path: "usr/share/pam-configs/off", text: "Name: Off\nDefault: no\nPriority: 0\nAuth-Type: Primary\nAuth:\n\tx\n" },
      { path: "usr/share/pam/common-auth", text: "# auth\n$auth_primary\nauth\trequisite\tpam_deny.so\n$auth_additional\n" },
      { path: "usr/share/pam/common-session-noninteractive", text: "$session_nonint_primary\n$session_nonint_additional\n" },
    ]),
  );
  await authentication(site);
  assert.equal(
    await site.text("/etc/pam.d/common-auth"),
    "# auth\nauth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\tpam_deny.so\n",
  );
  assert.equal(
    await site.text("/etc/pam.d/common-session-noninteractive"),
    "session\t[default=1]\t\t\tpam_permit.so\nsession\trequired\tpam_unix.so \n",
  );
  assert.equal(await site.text("/var/lib/pam/seen"), "unix\noff\n");
});

test("shells are listed under both names that the merged /usr gives them", async () => {
  const site = siteOf(
    await deb("debianutils", {}, [{ path: "usr/share/debianutils/shells", text: "# shells\n/bin/sh\n" }]),
    await deb("dash", {}, [{ path: "usr/share/debianutils/shells.d/dash", text: "/usr/bin/dash\n" }]),
  );
  await shells(site);
  assert.equal(await site.text("/etc/shells"), "# shells\n/bin/sh\n/usr/bin/sh\n/usr/bin/dash\n");
});

test("dpkg's status has its own order of fields and the sums of configuration files", async () => {
  const site = siteOf(
    await deb("dpkg", { conffiles: "/etc/x\n" }, [{ path: "etc/x", text: "abc" }], {
      Version: "1",
      "Multi-Arch": "same",
      Section: "admin",
    }),
  );
  await dpkgDatabase(site, "amd64");
  assert.equal(
    await site.text("/var/lib/dpkg/status"),
    "Package: dpkg\nStatus: install ok installed\nSection: admin\nMaintainer: Nobody\nArchitecture: all\nMulti-Arch: same\nVersion: 1\nConffiles:\n /etc/x 900150983cd24fb0d6963f7d28e17f72\nDescription: a test\n\n",
  );
  assert.equal(await site.text("/var/lib/dpkg/info/dpkg:all.list"), "/etc/x\n");
});
