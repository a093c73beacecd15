import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { createTask } from "../../task/task.ts";
import { readDeb } from "../deb.ts";
import { inMemory } from "../deb-contents.ts";
import { type Member, makeDeb } from "../testing/make-deb.ts";
import { subjectHash, trustCertificates } from "./certificates.ts";
import { cacheLibraries, compareLibraries } from "./ld-cache.ts";
import { Site } from "./site.ts";
import { mergeUsr } from "./usr-merge.ts";

async function siteOf(packages: Readonly<Record<string, readonly Member[]>>, version = "1"): Promise<Site> {
  const site = new Site(async () => assert.fail("everything is in memory"));
  mergeUsr(site, "amd64");
  for (const [name, files] of Object.entries(packages)) {
    const bytes = await makeDeb({ files, control: { Package: name, Version: version } });
    async function* whole() {
      yield bytes;
    }
    site.add(await readDeb(whole(), name, inMemory(), createTask()));
  }
  return site;
}

async function unpack(site: Site, root: string): Promise<void> {
  for (const { entry } of site.all()) {
    const path = join(root, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (entry.kind === "dir") mkdirSync(path, { recursive: true });
    else if (entry.kind === "file") writeFileSync(path, await site.read(entry));
    else if (entry.kind === "symlink") symlinkSync(entry.target, path);
  }
}

/** A certificate with an odd subject, made with `openssl req -x509`; its hash is what `openssl x509 -hash` says. */
const PEM = `-----BEGIN CERTIFICATE-----
MIIB3jCCAYWgAwIBAgIUN6yq3VYvs36tZI41JTh6zzkp5NkwCgYIKoZIzj0EAwIw
RDELMAkGA1UEBhMCREUxHTAbBgNVBAoMFCAgw5xuZGVyICBUZXN0ICBPUkcgMRYw
FAYDVQQDDA1Sb290IChPbmUpLCBYMCAXDTI2MTEyMTEzNDcwMloYDzIxMjYxMDI4
MTM0NzAyWjBEMQswCQYDVQQGEwJERTEdMBsGA1UECgwUICDDnG5kZXIgIFRlc3Qg
IE9SRyAxFjAUBgNVBAMMDVJvb3QgKE9uZSksIFgwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR3NBhFB2PPUOTuVThBmoialwUOcigUUDfoL5ilmwjSguDDDqOQ7+6t
W2pogRHZ9nH36TDodqRNp8Y3H0BWVHDyo1MwUTAdBgNVHQ4EFgQURx+8E/nPGFOk
3HWZzjZm+KvKAEgwHwYDVR0jBBgwFoAURx+8E/nPGFOk3HWZzjZm+KvKAEgwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAVCQCWjYYHIDugGKO3a5ck
mTxZZcI7ey1yuo1b5jXoQwIgVMfFc6ldJKuojZOVuKjbrrLAsTcQpdYzCqiTD4AM
BsU=
-----END CERTIFICATE-----`;

test("certificates get a bundle, a list, and links by name and by the hash of their subject", async () => {
  const site = await siteOf({
    "ca-certificates": [{ path: "usr/share/ca-certificates/mozilla/Root (One), X.crt", text: PEM }, { path: "etc/ssl/certs/" }],
  });
  await trustCertificates(site);
  assert.equal(await site.text("/etc/ssl/certs/ca-certificates.crt"), `${PEM}\n`);
  const link = site.get("/etc/ssl/certs/97b21af6.0");
  assert(link?.kind === "symlink");
  assert.equal(link.target, "Root_=One=__X.pem");
  assert.equal(await site.text("/etc/ssl/certs/97b21af6.0"), PEM);
  assert.match((await site.text("/etc/ca-certificates.conf")) ?? "", /\nmozilla\/Root \(One\), X\.crt\n$/);
  assert.equal(subjectHash(Buffer.from("30820000", "hex")), undefined);
});

test("the bundle and its links are the machine's own, when its certificates go through update-ca-certificates", async (t) => {
  const source = "/usr/share/ca-certificates";
  if (!existsSync("/usr/sbin/update-ca-certificates") || !existsSync(source)) return t.skip("this machine has no ca-certificates");
  const dir = mkdtempSync(join(tmpdir(), "nought-certs-"));
  try {
    const files = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".crt"))
      .map((name) => ({ path: `usr/share/ca-certificates/${name}`, text: readFileSync(join(source, name)) }));
    const site = await siteOf({ "ca-certificates": files });
    await trustCertificates(site);
    const conf = join(dir, "conf");
    writeFileSync(conf, (await site.text("/etc/ca-certificates.conf")) ?? "");
    mkdirSync(join(dir, "certs"));
    const where = ["--certsconf", conf, "--localcertsdir", join(dir, "none"), "--etccertsdir", join(dir, "certs"), "--hooksdir", ""];
    const made = spawnSync("/usr/sbin/update-ca-certificates", where, {
      encoding: "utf8",
      timeout: 60_000,
      env: { ...process.env, TMPDIR: dir },
    });
    if (made.status !== 0) return t.skip(`update-ca-certificates does not run here: ${made.stderr.slice(0, 200)}`);
    for (const name of readdirSync(join(dir, "certs"))) {
      const entry = site.get(`/etc/ssl/certs/${name}`);
      if (entry?.kind === "symlink") assert.equal(entry.target, readlinkSync(join(dir, "certs", name)));
      else assert.equal(await site.text(`/etc/ssl/certs/${name}`), readFileSync(join(dir, "certs", name), "utf8"), name);
    }
    assert.equal(site.names("/etc/ssl/certs").length, readdirSync(join(dir, "certs")).length);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("ld.so.cache has the bytes that ldconfig writes for the same files", async (t) => {
  const version = spawnSync("/sbin/ldconfig", ["--version"], { encoding: "utf8" }).stdout ?? "";
  const libc = /\(Debian GLIBC ([^)]+)\)/.exec(version)?.[1];
  const folder = "/usr/lib/x86_64-linux-gnu";
  if (libc === undefined || !existsSync(folder)) return t.skip("this machine has no ldconfig of Debian for amd64");
  const dir = mkdtempSync(join(tmpdir(), "nought-ld-"));
  try {
    const libraries = readdirSync(folder)
      .filter((name) => /^(?:lib|ld-)[a-z+_.0-9-]*\.so/.test(name))
      .slice(0, 400);
    const files: Member[] = libraries.flatMap((name): Member[] => {
      try {
        const target = readlinkSync(join(folder, name));
        return target.includes("/") ? [] : [{ path: `.${folder}/${name}`, type: "symlink", link: target }];
      } catch {
        const bytes = readFileSync(join(folder, name));
        // The loader reads headers and names; the code of large libraries would only cost time.
        return bytes.length < 2 << 20 ? [{ path: `.${folder}/${name}`, text: bytes }] : [];
      }
    });
    const conf = { path: "etc/ld.so.conf", text: "# a comment\ninclude /etc/ld.so.conf.d/*.conf\n/opt/none\n" };
    const site = await siteOf(
      { libc6: [...files, conf, { path: "etc/ld.so.conf.d/a.conf", text: `${folder.slice(4)}\n${folder}\n` }] },
      libc,
    );
    await cacheLibraries(site, "amd64");
    const cache = site.get("/etc/ld.so.cache");
    assert(cache?.kind === "file");
    const ours = await site.read(cache);
    site.remove("/etc/ld.so.cache");
    await unpack(site, dir);
    const made = spawnSync("/sbin/ldconfig", ["-X", "-r", dir, "-C", "/etc/ld.so.cache"], { encoding: "utf8", timeout: 60_000 });
    if (made.status !== 0) return t.skip(`ldconfig -r does not run here: ${made.stderr.slice(0, 200)}`);
    const theirs = readFileSync(join(dir, "etc/ld.so.cache"));
    assert(ours.equals(theirs), "every byte is the same");
    assert(ours.equals(theirs), "every byte is the same");
    assert(ours.readUInt32LE(20) > 50);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("names of libraries are ordered with their numbers as numbers", () => {
  const sorted = ["liba.so.10", "liba.so.9", "liba.so", "libz.so.1", "liba10.so", "liba2.so"].sort(compareLibraries);
  assert.deepEqual(sorted, ["liba.so", "liba.so.9", "liba.so.10", "liba2.so", "liba10.so", "libz.so.1"]);
});
