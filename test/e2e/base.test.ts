/**
 * Images made from the packages of the machine's own Debian mirror, and programs run in them. Skipped where apt knows none or it does not
 * answer. NOUGHT_SUITES names other suites than bookworm.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { noMirror } from "../mirror.ts";
import { program } from "../program.ts";

const nought = await program();
const suites = (process.env["NOUGHT_SUITES"] ?? "bookworm").split(",");

const skip = noMirror(suites[0]);
const noRun = skip ?? whyNot() ?? undefined;
const running = noRun === undefined ? {} : { skip: noRun };

for (const suite of suites) {
  describe(`images from packages of ${suite}`, skip === undefined ? {} : { skip }, () => {
    test(`${suite}: a build copies pieces of nought's own images into an image from scratch`, () => {
      nought.write({
        [`${suite}-s/Dockerfile`]: `FROM scratch\n${["certs", "tzdata", "users", "tmp"].map((one) => `COPY --from=nought/${one}:${suite} / /\n`).join("")}USER nonroot\n`,
      });
      nought.out("build", "-q", "-t", "s", "-o", "type=tar,dest=s.tar", `${suite}-s`);
      const names = nought.shell("tar tf s.tar").stdout;
      for (const path of ["etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "etc/passwd", "tmp/"])
        assert(names.includes(`${path}\n`), path);
      assert(!/bin\//.test(names), "nothing that could be executed");
    });

    test(`${suite}: the same lock gives the same image on another store, offline`, () => {
      const lock = `${suite}.lock.json`;
      const first = nought.out("base", "build", "-q", "--lock", lock, `nought/static:${suite}`);
      assert(!readFileSync(join(nought.dir, lock), "utf8").includes("://"));
      const again = nought.run([
        "base",
        "build",
        "-q",
        "--offline",
        "--mirror",
        "http://127.0.0.1:9",
        "--lock",
        lock,
        `nought/static:${suite}`,
      ]);
      assert.equal(again.stdout, first, again.stderr);
      const other = nought.run([
        "--store",
        join(nought.dir, `other-${suite}`),
        "base",
        "build",
        "-q",
        "--lock",
        lock,
        `nought/static:${suite}`,
      ]);
      assert.equal(other.stdout, first, other.stderr);
      assert.equal(nought.run(["base", "update", "--lock", lock, `nought/static:${suite}`]).stdout, "");
    });

    test(`${suite}: Python with ssl, sqlite and time zones runs, and nothing else can be executed`, running, () => {
      const code =
        "import ssl,sqlite3,lzma,ctypes,zoneinfo; print(len(ssl.create_default_context().get_ca_certs())>100, zoneinfo.ZoneInfo('Asia/Tokyo'))";
      assert.equal(nought.out("run", "--rm", `nought/python:${suite}-nonroot`, "-c", code), "True Asia/Tokyo\n");
      const no = nought.run(["run", "--rm", "--entrypoint", "/bin/sh", `nought/python:${suite}-nonroot`]);
      assert.notEqual(no.status, 0);
      assert.match(nought.out("run", "--rm", `nought/static:${suite}-debug-nonroot`, "-c", "id -u; pwd"), /^65532\n\/home\/nonroot\n$/);
    });

    test(`${suite}: slices of curl, git, OpenSSL and Python do what they are for`, running, () => {
      const slice = (program: string, ...args: string[]) => {
        nought.out("base", "slice", "--suite", suite, program, "ca-certificates", "--needs", program, "-t", `slice-${program}`);
        return nought.run(["run", "--rm", "--network", "host", "-w", "/tmp", "--entrypoint", program, `slice-${program}`, ...args]);
      };
      assert.match(slice("curl", "-sS", "https://127.0.0.1:1/").stderr, /^curl: \(7\) Failed to connect/);
      assert.match(slice("git", "ls-remote", "https://127.0.0.1:1/x").stderr, /unable to access .*Failed to connect/);
      assert.match(slice("openssl", "dgst", "-sha256", "/etc/nsswitch.conf").stderr, /No such file/);
      const code =
        "import ctypes, decimal, json, lzma, sqlite3, ssl; print(sqlite3.connect(':memory:').execute('select 42').fetchone()[0])";
      assert.equal(slice("python3", "-c", code).stdout, "42\n");
      // No program that was not asked for.
      assert.equal(nought.run(["run", "--rm", "--entrypoint", "perl", "slice-git", "-v"]).status, 127);
    });

    test(`${suite}: apt installs a package into nought/debian, and dpkg finds its books in order`, running, () => {
      const line =
        "apt-get update -qq && apt-get install -y -qq --no-install-recommends hello >/dev/null 2>&1; hello; dpkg --audit; apt-get check -qq";
      assert.equal(nought.out("run", "--rm", "--network", "host", `nought/debian:${suite}`, "sh", "-ec", line), "Hello, world!\n");
    });
  });
}
