/** Certificates, mirrors, secrets and several pulls at once, as whole programs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { program } from "../program.ts";
import { noRegistry, type RunningRegistry, startRegistry } from "../registry.ts";
import { sampleImage } from "../sample-image.ts";
import { scripted } from "../scripted-registry.ts";

const nought = await program();
const skip = "skip" in noRegistry;
const running: RunningRegistry | undefined = skip ? undefined : await startRegistry();
after(() => running?.close());
const host = running?.host ?? "";
const home = nought.env["HOME"] as string;

nought.write({ "ctx/Dockerfile": "FROM scratch\nCOPY . /\n", "ctx/hello": "hello\n", "ctx/large": Buffer.alloc(3 << 20, "large ") });

/** Waits for a program that was started. */
function ended(child: ReturnType<typeof nought.start>): Promise<{ code: number | null; err: string }> {
  let err = "";
  child.stderr?.on("data", (piece: Buffer) => (err += piece.toString()));
  child.stdout?.resume();
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, err })));
}

test("R01: a certificate that nobody vouches for is AUTH with a way out; certs.d and insecure are such ways", noRegistry, async () => {
  const locked = await startRegistry({ tls: true });
  try {
    const name = `${locked.host}/app:1`;
    nought.out("build", "-q", "-t", name, "ctx");
    const refused = nought.run(["push", name]);
    assert.equal(refused.status, 5, refused.stderr);
    assert.match(refused.stderr, new RegExp(`${locked.host}.*certificate[^]*certs\\.d/${locked.host}/ca\\.crt`));
    const conf = join(nought.dir, "insecure.conf");
    writeFileSync(conf, `[[registry]]\nlocation = "${locked.host}"\ninsecure = true\n`);
    const insecure = nought.run(["push", "-q", name], { env: { NOUGHT_REGISTRY_CONF: conf } });
    assert.equal(insecure.status, 0, insecure.stderr);
    const folder = join(home, ".config/containers/certs.d", locked.host);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "ca.crt"), locked.ca as string);
    nought.out("rmi", name);
    nought.out("pull", "-q", name);
    rmSync(folder, { recursive: true });
    const localhost = nought.run(["pull", "-q", `localhost:${locked.host.split(":")[1]}/app:1`]);
    assert.equal(localhost.status, 5, localhost.stderr);
  } finally {
    await locked.close();
  }
});

test("R01: refused, unknown and silent hosts are NETWORK within seconds, named", () => {
  const began = performance.now();
  for (const name of ["127.0.0.1:1/app", "nothing.invalid/app"]) {
    const { status, stderr } = nought.run(["pull", name]);
    assert.equal(status, 6, stderr);
    assert.match(stderr, new RegExp((name.split("/")[0] as string).replaceAll(".", "\\.")));
  }
  assert.ok(performance.now() - began < 30_000);
});

test("a mirror is asked first, and the registry itself where the mirror lacks", noRegistry, () => {
  const conf = join(nought.dir, "mirror.conf");
  writeFileSync(
    conf,
    `[[registry]]\nprefix = "main.example"\nlocation = "${host}"\n[[registry.mirror]]\nlocation = "${host}/mirrored"\n` +
      `[aliases]\n"shorty" = "main.example/shorty"\n`,
  );
  const env = { CONTAINERS_REGISTRIES_CONF: conf };
  nought.out("build", "-q", "-t", `${host}/mirrored/both:1`, "ctx");
  nought.out("push", "-q", `${host}/mirrored/both:1`);
  nought.out("tag", `${host}/mirrored/both:1`, "main.example/shorty:1");
  assert.equal(nought.run(["push", "-q", "main.example/shorty:1"], { env }).status, 0);
  assert.equal(nought.run(["pull", "-q", "main.example/both:1"], { env }).stdout, "main.example/both:1\n");
  nought.out("rmi", "main.example/shorty:1");
  const short = nought.run(["pull", "-q", "shorty:1"], { env });
  assert.equal(short.stdout, "main.example/shorty:1\n", short.stderr);
  nought.write({ "short/Dockerfile": "FROM shorty:1\n" });
  nought.out("rmi", "main.example/shorty:1");
  const built = nought.run(["build", "-q", "short"], { env });
  assert.equal(built.status, 0, built.stderr);
  writeFileSync(conf, '[[registry]]\nprefix = "main.example"\nlocation = "main.example"\nblocked = true\n');
  assert.equal(nought.run(["pull", "main.example/both:1"], { env }).status, 5);
});

test("R23: five pulls at once, one of them killed: the others end well and the store is whole", noRegistry, async () => {
  const name = `${host}/five:1`;
  nought.out("build", "-q", "-t", name, "--push", "ctx");
  nought.out("image", "prune", "-af");
  const children = Array.from({ length: 5 }, () => nought.start(["pull", "-q", name]));
  const all = children.map(ended);
  setTimeout(() => children[2]?.kill("SIGKILL"), 150);
  const codes = (await Promise.all(all)).map(({ code, err }) => (code === 0 || code === null ? "fine" : err));
  assert.deepEqual(codes, ["fine", "fine", "fine", "fine", "fine"]);
  nought.out("pull", "-q", name);
  nought.out("save", "-o", "five.tar", name);
});

test("K05: no password and no token in what is printed, stored or left, whether it works or fails", async () => {
  const secret = "marker-9b1d77";
  const image = await sampleImage({ compression: "gzip" });
  let fail = false;
  const registry = await scripted(image, ({ url, headers, kind }, response) => {
    if (url.startsWith("/token")) {
      response.writeHead(fail ? 401 : 200).end(JSON.stringify({ token: `${secret}-token`, errors: [{ code: "DENIED", message: "no" }] }));
      return true;
    }
    if (headers.authorization === `Bearer ${secret}-token`) return fail && kind === "blob" && Boolean(response.writeHead(500).end());
    response.writeHead(401, { "www-authenticate": `Bearer realm="http://${headers.host}/token",service="s"` }).end();
    return true;
  });
  try {
    mkdirSync(join(home, ".docker"), { recursive: true });
    const auth = Buffer.from(`user:${secret}`).toString("base64");
    const config = join(home, ".docker/config.json");
    writeFileSync(config, JSON.stringify({ auths: { [registry.host]: { auth } } }), { mode: 0o600 });
    const said: string[] = [];
    for (fail of [false, true]) {
      for (const args of [
        ["pull", `${registry.host}/app:1`],
        ["pull", "--debug", `${registry.host}/app:1`],
        ["tags", `${registry.host}/app`],
      ]) {
        const { code, err } = await ended(nought.start(args));
        said.push(`${args.join(" ")}: ${code}\n${err}`);
      }
    }
    rmSync(config);
    assert.ok(said[0]?.startsWith("pull") && said[0].includes(": 0\n"), said.join("\n"));
    for (const word of [secret, auth, `${secret}-token`]) {
      assert.ok(!said.join("\n").includes(word), said.join("\n"));
      const { status, stdout } = spawnSync("grep", ["-rlF", word, join(nought.dir, "..")], { encoding: "utf8" });
      assert.equal(status, 1, stdout);
    }
  } finally {
    await registry.close();
  }
});

test("K01: login through a link keeps the link", noRegistry, () => {
  mkdirSync(join(home, ".docker"), { recursive: true });
  mkdirSync(join(home, "elsewhere"), { recursive: true });
  writeFileSync(join(home, "elsewhere/config.json"), '{"currentContext":"x"}');
  symlinkSync("../elsewhere/config.json", join(home, ".docker/config.json"));
  const { status, stderr } = nought.run(["login", "-u", "u", "--password-stdin", host], { input: "p" });
  assert.equal(status, 0, stderr);
  const { stdout } = spawnSync("cat", [join(home, "elsewhere/config.json")], { encoding: "utf8" });
  assert.deepEqual(Object.keys(JSON.parse(stdout) as object), ["currentContext", "auths"]);
  rmSync(join(home, ".docker"), { recursive: true });
});

test("K04: a password on the command line is warned about", noRegistry, () => {
  const { status, stderr } = nought.run(["login", "-u", "u", "-p", "word", host]);
  assert.equal(status, 0);
  assert.match(stderr, /--password via the CLI is insecure/);
  assert.ok(!stderr.includes("word\n"));
});
