/**
 * What nought's own images promise, shown by programs that run in them: abilities, users, sizes, and that nothing is there that could be
 * executed without need. Of the machine's own mirror; skipped where there is none. NOUGHT_SUITES names other suites than trixie.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { readTar } from "../golden/tar.ts";
import { noMirror } from "../mirror.ts";
import { type Ids, ordinaryUser } from "../ordinary-user.ts";
import { program } from "../program.ts";

const nought = await program();
const top = dirname(nought.dir);
const proofs = join(import.meta.dirname, "../../testdata/bases");
const suites = (process.env["NOUGHT_SUITES"] ?? "trixie").split(",");
const noSandbox = whyNot();

/** Megabytes (10⁶) of content that an image may have; docs/bases.md says beside whose figures. */
const BUDGETS: Readonly<Record<string, number>> = {
  static: 2,
  "base-nossl": 16,
  base: 24,
  cc: 27,
  python: 53,
  nodejs: 128,
  java: 220,
};

/** What may be started, of all files; libraries that can be executed are not counted. */
const PROGRAMS: Readonly<Record<string, RegExp>> = {
  python: /^usr\/bin\/python3(?:\.\d+)?$/,
  nodejs: /^usr\/bin\/node(?:js)?$/,
  java: /^usr\/lib\/jvm\/[^/]+\/(?:bin\/java|lib\/jspawnhelper)$/,
};

const GO = `tls true
a stranger's certificate: x509: certificate signed by unknown authority
certificates true
zone 1969-12-31 19:00:00 -0500 EST <nil>
user nonroot 65532 /home/nonroot <nil>
temporary true
localhost true
https 443 <nil>
`;
const CC = "caught an exception\nopenmp 5050\nlocale 1\nzone 09:00 JST\nuser nonroot\nlocalhost 1\niconv 1\n";
const JAVA = `Hello from Java
certificates true
tls TLSv1.3
zone 1970-01-01T09:00+09:00[Asia/Tokyo]
user nonroot
temporary /tmp
localhost true
picture true
process 0
`;
const PYTHON = `
import ctypes, hashlib, lzma, os, pwd, socket, sqlite3, ssl, tempfile, zoneinfo, datetime
print("certificates", len(ssl.create_default_context().get_ca_certs()) > 50)
print("sqlite", sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0])
print("zone", datetime.datetime.fromtimestamp(0, zoneinfo.ZoneInfo("Asia/Tokyo")))
print("user", pwd.getpwuid(os.getuid()).pw_name)
print("temporary", os.path.dirname(tempfile.mkstemp()[1]))
print("localhost", socket.getaddrinfo("localhost", "https")[0][4][1])
`;
const NODE = `
const { createServer } = require("http");
const server = createServer((_, answer) => answer.end("answer")).listen(0, "127.0.0.1", async () => {
  console.log("http", await (await fetch("http://127.0.0.1:" + server.address().port)).text());
  console.log("certificates", require("tls").rootCertificates.length > 50);
  console.log("hash", require("crypto").createHash("sha256").update("").digest("hex").slice(0, 8));
  console.log("zone", new Date(0).toLocaleString("de", { timeZone: "Asia/Tokyo" }));
  console.log("user", require("os").userInfo().username);
  server.close();
});
`;

for (const suite of suites) {
  const skip = noMirror(suite);
  describe(`nought's own images, of ${suite}`, skip === undefined ? {} : { skip }, () => {
    const running = { skip: noSandbox, timeout: 600_000 };

    test(
      `${suite}: Go with TLS and time zones in nought/static, C++ in nought/cc, compiled in what stands in for golang:1.23-alpine`,
      running,
      () => {
        nought.write({
          "compiled/Dockerfile": `FROM golang:1.23-alpine AS build
WORKDIR /src
RUN apk add --no-cache g++ ca-certificates && adduser -D -g '' -u 1001 appuser && addgroup -S web && adduser appuser web
RUN test "$(id -u appuser) $(id -Gn appuser)" = "1001 appuser web"
COPY proof.go proof.cc ./
RUN CGO_ENABLED=0 go build -ldflags="-s -w" -o proof-go proof.go & g++ -fopenmp -o proof-cc proof.cc && wait $!
FROM nought/static:${suite}-nonroot AS go
COPY --from=build /src/proof-go /proof
ENTRYPOINT ["/proof"]
FROM nought/cc:${suite}-nonroot AS cc
COPY --from=build /src/proof-cc /proof
ENTRYPOINT ["/proof"]
`,
          "compiled/nought.yaml": `contexts:\n  golang:1.23-alpine: debian:${suite}?packages=golang-go,g++,ca-certificates\n`,
        });
        for (const name of ["proof.go", "proof.cc"]) cpSync(join(proofs, name), join(nought.dir, "compiled", name));
        for (const target of ["go", "cc"]) {
          const [node = "", ...words] = nought.command;
          const args = [...words, "build", "-q", "--target", target, "-t", `proof-${target}`, "compiled"];
          const built = spawnSync(node, args, { cwd: nought.dir, env: nought.env, encoding: "utf8", timeout: 500_000 });
          assert.equal(built.status, 0, built.stderr);
        }
        const go = nought.out("run", "--rm", "--network", "none", "proof-go");
        assert.equal(go.replace(/(stranger's certificate: ).*(x509: )/, "$1$2"), GO);
        assert.match(
          nought.out("run", "--rm", "--network", "none", "--user", "65534", "proof-go"),
          /^user nobody 65534 \/nonexistent <nil>$/m,
        );
        assert.equal(nought.out("run", "--rm", "--network", "none", "proof-cc"), CC);
      },
    );

    test(`${suite}: Python with ssl and sqlite, a web server of Node.js, Java`, running, () => {
      const image = (name: string) => `nought/${name}:${suite}-nonroot`;
      assert.equal(
        nought.out("run", "--rm", "--network", "none", image("python"), "-c", PYTHON),
        "certificates True\nsqlite 42\nzone 1970-01-01 09:00:00+09:00\nuser nonroot\ntemporary /tmp\nlocalhost 443\n",
      );
      assert.equal(
        nought.out("run", "--rm", "--network", "none", image("nodejs"), "-e", NODE),
        "http answer\ncertificates true\nhash e3b0c442\nzone 1.1.1970, 09:00:00\nuser nonroot\n",
      );
      const java = ["--entrypoint", "java", "-v", `${proofs}:/proofs:ro`, image("java"), "-cp", "/proofs", "Proof"];
      assert.equal(nought.out("run", "--rm", "--network", "none", ...java), JAVA);
    });

    for (const [name, most] of Object.entries(BUDGETS)) {
      test(`${suite}: nought/${name} has users, at most ${most} MB, and nothing to execute but what it is for`, () => {
        nought.write({ "list/Dockerfile": `FROM nought/${name}:${suite}\n` });
        nought.out("build", "-q", "-o", "type=tar,dest=list.tar", "list");
        const members = readTar(readFileSync(join(nought.dir, "list.tar")));
        const size = members.reduce((sum, one) => sum + (one.type === "file" ? one.data.length : 0), 0);
        assert(size <= most * 1e6, `${size} bytes`);
        const passwd = members.find((one) => one.name === "etc/passwd")?.data.toString() ?? "";
        for (const line of [
          "root:x:0:0:root:/root:/sbin/nologin",
          "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin",
          "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin",
        ])
          assert(passwd.split("\n").includes(line), line);
        const home = members.find((one) => one.name === "home/nonroot/");
        assert.deepEqual([home?.uid, home?.gid], [65_532, 65_532]);
        const started = members.filter((one) => one.type === "file" && (one.mode & 0o111) !== 0 && !/\.so(?:$|\.)/.test(one.name));
        for (const one of started) {
          // Modules of Python that are scripts as well name an interpreter that is not there.
          if (one.data.subarray(0, 2).toString() === "#!") {
            const interpreter = one.data.toString("latin1", 2, 200).trim().split(/[ \n]/)[0] ?? "";
            const there = members.some((other) => `/${other.name}` === interpreter) && /^usr\/lib\/python3[^/]*\//.test(one.name) === false;
            assert(!there, `${one.name} can be started by ${interpreter}`);
          } else assert.match(one.name, PROGRAMS[name] ?? /^$/, `${one.name} can be started`);
        }
        assert.deepEqual(
          members
            .map((one) => one.name)
            .filter((path) => /(?:^|\/)(?:sh|bash|dash|busybox|apt|dpkg|pip3?|npm|perl)$/.test(path) && !path.startsWith("var/")),
          [],
        );
        assert.deepEqual(
          members.filter((one) => (one.mode & 0o6000) !== 0 || Object.keys(one.xattrs).length > 0).map((one) => one.name),
          [],
          "no set-user-id programs, no capabilities",
        );
      });
    }

    test(`${suite}: a shell is in the debug images alone`, running, () => {
      for (const name of Object.keys(BUDGETS)) {
        const no = nought.run(["run", "--rm", "--network", "none", "--entrypoint", "sh", `nought/${name}:${suite}`]);
        assert.equal(no.status, 127, name);
      }
      const line = ["run", "--rm", "--network", "none", "--entrypoint", "sh", `nought/cc:${suite}-debug-nonroot`, "-c", "id -u; pwd"];
      assert.equal(nought.out(...line), "65532\n/home/nonroot\n");
    });

    for (const ids of ["ranges", "single"] satisfies Ids[]) {
      test(
        `${suite}: as an ordinary user (${ids}): apt-get install in nought/debian, and a lock gives the digest that root gets`,
        running,
        (t) => {
          const user = ordinaryUser(ids, top);
          if (typeof user === "string") return t.skip(user);
          nought.write({
            "apt/Dockerfile": `FROM nought/debian:${suite}\nRUN apt-get update -qq && apt-get install -y -qq --no-install-recommends hello && hello >/said\n`,
            "app.yaml": `from: nought/base\nsuite: ${suite}\npackages: [libpq5]\nlayers: 2\nusers: [{name: app, uid: 1001}]\n`,
          });
          const first = nought.out("base", "build", "-q", "--lock", "app.lock.json", "app.yaml");
          for (const dir of [top, nought.dir, join(nought.dir, "apt")]) chmodSync(dir, 0o755);
          const [node = "", ...words] = nought.command;
          const [become = "", ...prefix] = user.prefix;
          const env = { ...nought.env, NOUGHT_STORE: join(user.home, "store"), TMPDIR: user.home };
          const run = (...args: string[]) => {
            const ran = spawnSync(become, [...prefix, node, ...words, ...args], {
              cwd: nought.dir,
              env,
              encoding: "utf8",
              timeout: 180_000,
            });
            assert.equal(ran.status, 0, ran.stderr);
            return ran.stdout;
          };
          assert.equal(run("base", "build", "-q", "--lock", "app.lock.json", "app.yaml"), first);
          run("build", "-q", "--network=host", "-o", `type=tar,dest=${user.home}/apt.tar`, "apt");
          const said = spawnSync("tar", ["-xOf", join(user.home, "apt.tar"), "said"], { encoding: "utf8" });
          assert.equal(said.stdout, "Hello, world!\n");
        },
      );
    }
  });
}
