/**
 * Real Debian root file systems as bases: apt-get and dpkg with their scripts, accounts, set-uid programs and file capabilities, as root and
 * as ordinary users; and the complete Go example of testdata/seeds, compiled here and run. NOUGHT_SUITES names other suites than bookworm.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { debianRoot } from "../debian-root.ts";
import { type Ids, ordinaryUser } from "../ordinary-user.ts";
import { program } from "../program.ts";

const nought = await program();
const top = dirname(nought.dir);
const suites = (process.env["NOUGHT_SUITES"] ?? "bookworm").split(",");

const ACCOUNTS = `RUN apt-get update && apt-get install -y --no-install-recommends adduser libcap2-bin iputils-ping && rm -rf /var/lib/apt/lists/*
RUN adduser --disabled-password --gecos "" app && useradd -r svc && addgroup more && adduser app more
RUN install -o app -g more -m 4750 /bin/true /usr/local/bin/t && mkdir -p /srv/x && chown -R svc:more /srv && chmod g+s /srv/x
RUN cp /bin/true /usr/local/bin/capable && setcap cap_net_bind_service=+ep /usr/local/bin/capable && getcap /usr/local/bin/capable > /capable
USER app
WORKDIR /home/app/work
RUN touch made && test "$HOME" = /home/app
USER root
RUN su svc -s /bin/sh -c 'id -u' > /su && dpkg --audit && dpkg -s iputils-ping | grep -q 'install ok installed'
`;

/** What the image must hold, whoever built it: owner, mode and file capability of some paths. */
const EXPECTED = [
  "-rwsr-x--- 1000/1001 usr/local/bin/t",
  "drwxr-sr-x 999/1001 srv/x/",
  "drwxr-xr-x 1000/1000 home/app/work/",
  "-rw-r--r-- 1000/1000 home/app/work/made",
];

for (const suite of suites) {
  describe(`${suite} as a base`, () => {
    const whole = whyNot() || undefined;
    const root = whole === undefined ? debianRoot(suite, top) : { why: whole };
    if ("why" in root) return void test(`RUN in ${suite}`, { skip: root.why });
    nought.out("import", root.tar, `debian:${suite}`);
    nought.write({ [`${suite}/Dockerfile`]: `FROM debian:${suite}\n${ACCOUNTS}` });

    test(`${suite}: apt-get, accounts, set-uid programs and file capabilities, as root`, () => {
      nought.out("build", "-q", "--network=host", "-o", `type=tar,dest=${suite}-root.tar`, suite);
      assertHolds(`${suite}-root.tar`);
    });

    for (const ids of ["ranges", "single"] satisfies Ids[]) {
      test(`${suite}: the same as an ordinary user (${ids})`, (t) => {
        const user = ordinaryUser(ids, top);
        if (typeof user === "string") return t.skip(user);
        chmodSync(top, 0o755);
        chmodSync(root.tar, 0o644);
        const [node = "", ...words] = nought.command;
        const [first = "", ...prefix] = user.prefix;
        const env = { ...nought.env, NOUGHT_STORE: join(user.home, "store"), TMPDIR: user.home };
        const run = (...args: string[]) => {
          const ran = spawnSync(first, [...prefix, node, ...words, ...args], { cwd: nought.dir, env, encoding: "utf8", timeout: 180_000 });
          assert.equal(ran.status, 0, ran.stderr);
        };
        run("import", root.tar, `debian:${suite}`);
        run("build", "-q", "--network=host", "-o", `type=tar,dest=${user.home}/out.tar`, suite);
        assertHolds(join(user.home, "out.tar"));
      });
    }

    test(`${suite}: the complete Go example is compiled, copied into scratch and run as uid 1001; it trusts the certificates it was given`, async (t) => {
      const server = await tlsServer(top);
      if (typeof server === "string") return t.skip(server);
      t.after(() => server.close());
      const GO = `FROM debian:${suite}
RUN apt-get update && apt-get install -y --no-install-recommends golang-go git ca-certificates tzdata
RUN <<EOF
printf '#!/bin/sh\\n' > /usr/local/bin/apk
printf '#!/bin/sh\\nexec useradd -m -u "$5" "$6"\\n' > /usr/local/bin/adduser
chmod +x /usr/local/bin/apk /usr/local/bin/adduser
EOF
COPY ca.crt /usr/local/share/ca-certificates/test.crt
RUN update-ca-certificates
`;
      const seed = readFileSync(join(import.meta.dirname, "../../testdata/seeds/go-complete/Dockerfile"), "utf8");
      nought.write({
        "builder/Dockerfile": GO,
        "builder/ca.crt": server.certificate,
        "app/Dockerfile": seed,
        "app/go.mod": "module example.com/myapp\n\ngo 1.19\n",
        "app/go.sum": "",
        "app/main.go": readFileSync(join(import.meta.dirname, "../../testdata/seeds/go-complete/main.go"), "utf8"),
      });
      nought.out("build", "-q", "--network=host", "-t", "golang-of-debian", "builder");
      nought.out(
        "build",
        "-q",
        "--network=host",
        "-t",
        "myapp",
        "--build-context",
        "golang:1.23-alpine=docker-image://golang-of-debian",
        "app",
      );
      const child = nought.start(["run", "--rm", "--network=host", "--tmpfs", "/tmp", "myapp", server.url]);
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
      const zone = "New York 1969-12-31 19:00:00 -0500 EST";
      assert.equal(out, ["uid 1001 appuser", zone, "temporary file true", "certificates true", "TLS 200 OK", ""].join("\n"), err);
    });
  });
}

async function text(stream: NodeJS.ReadableStream | null): Promise<string> {
  let all = "";
  for await (const piece of stream ?? []) all += piece;
  return all;
}

/** A web server on loopback with a certificate of its own. */
async function tlsServer(dir: string) {
  const [key, cert] = [join(dir, "tls.key"), join(dir, "tls.crt")];
  const made = spawnSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      key,
      "-out",
      cert,
    ],
    { encoding: "utf8" },
  );
  if (made.status !== 0) return "openssl is not installed";
  const { createServer } = await import("node:https");
  const certificate = readFileSync(cert, "utf8");
  const server = createServer({ key: readFileSync(key), cert: certificate }, (_, answer) => answer.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { certificate, url: `https://localhost:${port}/`, close: () => server.close() };
}

function assertHolds(tar: string): void {
  const listed = spawnSync("tar", ["--numeric-owner", "-tvf", tar], { cwd: nought.dir, encoding: "utf8", maxBuffer: 64 << 20 }).stdout;
  const lines = new Set(listed.split("\n").map((line) => line.replace(/^(\S+) (\S+) .*? \S+ \S+ (\S+)$/, "$1 $2 $3")));
  for (const line of EXPECTED) assert.ok(lines.has(line), `${line} in ${tar}`);
  const capable = spawnSync("tar", ["-xOf", tar, "capable"], { cwd: nought.dir, encoding: "utf8" });
  assert.equal(capable.stdout, "/usr/local/bin/capable cap_net_bind_service=ep\n");
}
