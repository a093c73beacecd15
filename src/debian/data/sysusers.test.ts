import assert from "node:assert/strict";
import { test } from "node:test";
import { createTask } from "../../task/task.ts";
import { readDeb } from "../deb.ts";
import { inMemory } from "../deb-contents.ts";
import { makeDeb } from "../testing/make-deb.ts";
import { Site } from "./site.ts";
import { systemUsers } from "./sysusers.ts";

/** A site with packages that have nothing but a file of sysusers.d, and the account files of the first. */
async function siteOf(files: Readonly<Record<string, string>>, etc: Readonly<Record<string, string>> = {}): Promise<Site> {
  const site = new Site(async () => assert.fail("everything is in memory"));
  for (const [path, text] of Object.entries(etc))
    site.file(`/etc/${path}`, text, "", path.endsWith("shadow") ? { mode: 0o640, gid: 42 } : {});
  for (const [name, text] of Object.entries(files)) {
    const bytes = await makeDeb({ files: [{ path: `usr/lib/sysusers.d/${name}.conf`, text }], control: { Package: name, Version: "1" } });
    async function* whole() {
      yield bytes;
    }
    site.add(await readDeb(whole(), name, inMemory(), createTask()));
  }
  return site;
}

const last = async (site: Site, path: string, count: number) => ((await site.text(path)) ?? "").trimEnd().split("\n").slice(-count);

test("users of sysusers.d are those that systemd-sysusers makes when the same packages are set up", async () => {
  // As dpkg and systemd 257 of trixie made them in a container, in this order.
  const site = await siteOf(
    {
      systemd: "#  a licence\n\ng systemd-journal - -\n",
      "systemd-network": 'u! systemd-network - "systemd Network Management"\n',
      "dbus-system-bus-common": '# a comment\n\nu messagebus - "System Message Bus" /nonexistent\n',
      "openssh-server": 'u sshd -:nogroup "sshd user" /run/sshd\n',
      polkitd: 'u polkitd - "User for polkitd"\n',
    },
    {
      passwd: "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
      group: "root:x:0:\nnogroup:x:65534:\n",
      shadow: "root:*:1:0:99999:7:::\n",
      gshadow: "root:*::\n",
    },
  );
  await systemUsers(site);
  assert.deepEqual(await last(site, "/etc/passwd", 4), [
    "systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin",
    "messagebus:x:997:997:System Message Bus:/nonexistent:/usr/sbin/nologin",
    "sshd:x:996:65534:sshd user:/run/sshd:/usr/sbin/nologin",
    "polkitd:x:995:995:User for polkitd:/:/usr/sbin/nologin",
  ]);
  assert.deepEqual(await last(site, "/etc/group", 4), [
    "systemd-journal:x:999:",
    "systemd-network:x:998:",
    "messagebus:x:997:",
    "polkitd:x:995:",
  ]);
  const shadow = await last(site, "/etc/shadow", 4);
  assert.match(shadow[0] ?? "", /^systemd-network:!\*:\d+:::::1:$/);
  assert.match(shadow[1] ?? "", /^messagebus:!\*:\d+::::::$/);
  assert.deepEqual(await last(site, "/etc/gshadow", 1), ["polkitd:!*::"]);
  const entry = site.get("/etc/shadow");
  assert(entry?.kind === "file");
  assert.deepEqual([entry.mode, entry.gid], [0o640, 42]);
  const before = await site.text("/etc/passwd");
  await systemUsers(site);
  assert.equal(await site.text("/etc/passwd"), before);
});

test("sysusers.d: numbers, groups of another name, numbers of a file's owner, members; what is taken or makes no sense", async () => {
  const site = await siteOf({
    one: [
      "m member watchers",
      "u fixed 250 - /var/lib/fixed /bin/sh",
      "u taken 250",
      "u split 260:watchers",
      "u owner /etc/key",
      "g watchers 300",
      "u quoted - \"A 'quoted' name\"",
      "u root 0",
      "r - 500-900",
      "u bad:name 5",
      "u - 7",
      'u colon - "a:b"',
      "x what 8",
    ].join("\n"),
  });
  site.file("/etc/key", "", "", { uid: 420, gid: 421 });
  await systemUsers(site);
  assert.equal(
    await site.text("/etc/passwd"),
    [
      "root:x:0:0:root:/root:/sbin/nologin",
      "fixed:x:250:250::/var/lib/fixed:/bin/sh",
      "taken:x:999:999::/:/usr/sbin/nologin",
      "split:x:260:300::/:/usr/sbin/nologin",
      "owner:x:420:421::/:/usr/sbin/nologin",
      "quoted:x:998:998:A 'quoted' name:/:/usr/sbin/nologin",
      "member:x:997:997::/:/usr/sbin/nologin",
      "",
    ].join("\n"),
  );
  assert.equal(
    await site.text("/etc/group"),
    "root:x:0:\nwatchers:x:300:member\nfixed:x:250:\ntaken:x:999:\nowner:x:421:\nquoted:x:998:\nmember:x:997:\n",
  );
  assert.equal(site.get("/etc/shadow"), undefined);
});

test("no sysusers.d, no account files", async () => {
  const site = await siteOf({ empty: "# nothing\n" });
  await systemUsers(site);
  assert.equal(site.get("/etc/passwd"), undefined);
});
