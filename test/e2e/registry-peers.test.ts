/**
 * Images that other tools pushed, pulled and run by nought, and the other way round. What docker 28 (BuildKit), buildah 1.43, podman 5.8,
 * skopeo 1.22 and crane of Debian sid pushed once is in testdata/registry/peers, a folder of `nought registry serve`; the same tools, where
 * they are here, do it again live.
 */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { digestOf } from "../../src/oci/digest.ts";
import { whyNot } from "../../src/sandbox/testing/box.ts";
import { dockerCommand, dockerVersion } from "../golden/docker.ts";
import { noughtCommand } from "../golden/nought.ts";
import { type Ran, run } from "../golden/run.ts";
import { hidden, machineTrouble, peer } from "../peers.ts";
import { startOwnRegistry, type TestRegistry } from "../registries.ts";
import { hasRegistry, startRegistry } from "../registry.ts";
import { MESSAGE, scratchProgram } from "../scratch-program.ts";
import { ask } from "../suites/distribution-requests.ts";

const FIXTURE = join(import.meta.dirname, "../../testdata/registry/peers");
const LAYERS = ["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"] as const;
/** Every image of the fixture: what its manifest is, and how its layers are packed. `index` chooses the entry for amd64. */
const PUSHED: Readonly<Record<string, { readonly layer: string; readonly index?: "oci" | "docker"; readonly chunked?: true }>> = {
  "docker:schema2": { layer: `${LAYERS[1]}.gzip` },
  "docker:attested": { layer: `${LAYERS[0]}+gzip`, index: "oci" },
  "docker:oci-zstd": { layer: `${LAYERS[0]}+zstd` },
  "buildah:gzip": { layer: `${LAYERS[0]}+gzip` },
  "buildah:zstd": { layer: `${LAYERS[0]}+zstd` },
  "buildah:zstd-chunked": { layer: `${LAYERS[0]}+zstd`, chunked: true },
  "buildah:schema2": { layer: `${LAYERS[1]}.gzip` },
  "podman:gzip": { layer: `${LAYERS[0]}+gzip` },
  "podman:zstd": { layer: `${LAYERS[0]}+zstd`, chunked: true },
  "podman:zstd-chunked": { layer: `${LAYERS[0]}+zstd`, chunked: true },
  "podman:schema2": { layer: `${LAYERS[1]}.gzip` },
  "podman:list": { layer: `${LAYERS[1]}.gzip`, index: "docker" },
  "skopeo:gzip": { layer: `${LAYERS[0]}+gzip` },
  "skopeo:zstd-chunked": { layer: `${LAYERS[0]}+zstd`, chunked: true },
  "skopeo:schema2": { layer: `${LAYERS[1]}.gzip` },
  "crane:attested": { layer: `${LAYERS[0]}+gzip`, index: "oci" },
  "crane:flat": { layer: `${LAYERS[1]}.gzip` },
};
const FILES = ["app", "words", "words/link", "words/more", "words/numbers", "words/one"];
const SAID = MESSAGE.repeat(3);

const dir = mkdtempSync(join(tmpdir(), "nought-registry-peers-"));
const nought = await noughtCommand();
const env = { ...process.env, SOURCE_DATE_EPOCH: undefined };
const own = { ...env, HOME: dir, NOUGHT_STORE: join(dir, "store") };
const cannotRun = process.arch === "x64" ? whyNot() : "the program is for x86-64";
after(() => rmSync(dir, { recursive: true, force: true }));

const at = (command: readonly string[], ...args: string[]) => run(command, args, { cwd: dir, env: command === nought ? own : env });
async function out(command: readonly string[], ...args: string[]): Promise<string> {
  const ran = await at(command, ...args);
  assert.equal(ran.status, 0, `${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
}

interface Document {
  readonly manifests?: readonly { readonly digest: string; readonly platform?: { readonly architecture: string } }[];
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly mediaType: string; readonly annotations?: Readonly<Record<string, string>> }[];
}

async function documentAt(host: string, image: string, reference: string): Promise<{ document: Document; digest: string }> {
  const accept = ["oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.v2", "docker.distribution.manifest.list.v2"];
  const headers = { accept: accept.map((one) => `application/vnd.${one}+json`).join(", ") };
  const answer = await ask(host, "GET", `/v2/${image}/manifests/${reference}`, headers);
  assert.equal(answer.status, 200);
  return { document: answer.json() as unknown as Document, digest: digestOf(answer.bytes) };
}

/** Pulls a name and starts what it names. */
async function pullAndRun(name: string): Promise<void> {
  await out(nought, "pull", "-q", name);
  assert.equal(await out(nought, "run", "--rm", "--network", "none", name), SAID);
}

describe("images that other tools pushed, kept as they came", () => {
  let kept: TestRegistry;
  before(async () => void (kept = await startOwnRegistry(FIXTURE, true)));
  after(() => kept?.close());

  for (const [image, { layer, index, chunked }] of Object.entries(PUSHED)) {
    test(`${image} is pulled byte for byte and run`, { skip: cannotRun }, async () => {
      const [repository = "", tag = ""] = image.split(":");
      const name = `${kept.host}/${image}`;
      const root = await documentAt(kept.host, repository, tag);
      const entry = root.document.manifests?.find((one) => one.platform?.architecture === "amd64");
      assert.equal(entry !== undefined, index !== undefined);
      const { document } = entry ? await documentAt(kept.host, repository, entry.digest) : root;
      for (const one of document.layers) {
        assert.equal(one.mediaType, layer);
        const toc = Object.keys(one.annotations ?? {}).some((key) => key.startsWith("io.github.containers.zstd-chunked."));
        assert.equal(toc, chunked ?? false);
      }
      await pullAndRun(name);
      assert.equal(await out(nought, "images", "--digests", "--format", "{{.Digest}}", name), `${root.digest}\n`);
      assert.equal((await out(nought, "inspect", "-f", "{{.Id}}", name)).trim(), document.config.digest);
      const files = (await out(nought, "ls-files", name)).split("\n").filter(Boolean).sort();
      assert.deepEqual(files.map((path) => path.replace(/^\.?\/|\/$/g, "")).sort(), FILES, files.join(" "));
      const archive = `${image.replace(":", "-")}.tar`;
      await out(nought, "save", "--format", "oci-archive", "-o", archive, name);
      assert.match(await out(nought, "load", "-i", archive), /^Loaded image: /);
      // In a layout skopeo, podman and umoci read the OCI's media types alone.
      const layout = image.replace(":", "-");
      await out(nought, "save", "--format", "oci-dir", "-o", layout, name);
      const documents = readdirSync(join(dir, layout, "blobs/sha256")).map((hex) => readFileSync(join(dir, layout, "blobs/sha256", hex)));
      for (const one of [readFileSync(join(dir, layout, "index.json")), ...documents])
        assert.ok(one[0] !== 0x7b || !one.includes("application/vnd.docker.distribution."), one.toString());
    });
  }
});

describe("other tools and nought over one registry", async () => {
  const [skopeo, podman, buildah, crane] = await Promise.all([peer("skopeo"), peer("podman"), peer("buildah"), peer("crane", "version")]);
  const docker = dockerCommand();
  const noDocker = docker && (await dockerVersion(docker)) ? false : "no docker answers (PATH, or NOUGHT_DOCKER with the command)";
  const why = (one: readonly string[] | string) => (typeof one === "string" ? one : (cannotRun ?? false));
  const storage = ["--root", join(dir, "containers"), "--runroot", join(dir, "containers-run"), "--storage-driver", "vfs"];
  let registries: readonly TestRegistry[] = [];

  before(async () => {
    registries = [await startOwnRegistry(), ...(hasRegistry ? [await startRegistry()] : [])];
    mkdirSync(join(dir, "ctx"));
    writeFileSync(join(dir, "ctx/app"), scratchProgram(), { mode: 0o755 });
    copyFileSync(import.meta.filename, join(dir, "ctx/words"));
    writeFileSync(join(dir, "ctx/Dockerfile"), 'FROM scratch\nCOPY app /app\nCOPY words /words\nENTRYPOINT ["/app"]\nCMD ["few"]\n');
    for (const { host } of registries) {
      await out(nought, "build", "-q", "-t", `${host}/nought:1`, "--push", "--load", "ctx");

      await out(nought, "build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", `${host}/nought:multi`, "--push", "--load", "ctx");
    }
  });
  after(async () => {
    for (const one of registries) await one.close();
  });
  /** The image ID of what nought pushed. */
  const imageId = async (tag: string) => (await out(nought, "inspect", "-f", "{{.Id}}", `${registries[0]?.host}/nought:${tag}`)).trim();
  const told = (t: TestContext, ran: Ran): boolean => {
    const trouble = machineTrouble(ran);
    if (trouble !== undefined) t.diagnostic(trouble);
    return trouble !== undefined;
  };

  test("docker pulls and runs what nought pushed, and nought what docker pushed", { skip: noDocker || (cannotRun ?? false) }, async (t) => {
    const command = docker as string[];
    for (const { host } of registries) {
      for (const tag of ["1", "multi"]) {
        const name = `${host}/nought:${tag}`;
        try {
          await out(command, "pull", "-q", name);
          assert.equal((await out(command, "image", "inspect", "-f", "{{.Id}}", name)).trim(), await imageId(tag));
          const ran = await at(command, "run", "--rm", "--network", "none", name);
          if (!told(t, ran)) assert.equal(ran.stdout, SAID, ran.stderr);
          await out(command, "tag", name, `${host}/docker:${tag}`);
          await out(command, "push", "-q", `${host}/docker:${tag}`);
        } finally {
          await at(command, "rmi", "-f", name, `${host}/docker:${tag}`);
        }
        await pullAndRun(`${host}/docker:${tag}`);
      }
    }
  });

  test("podman pulls what nought pushed, and nought runs what podman pushed", { skip: why(podman) }, async (t) => {
    const command = hidden(podman as string[]);
    for (const { host } of registries) {
      for (const tag of ["1", "multi"]) {
        const name = `${host}/nought:${tag}`;
        const pulled = await at(command, ...storage, "pull", "-q", "--tls-verify=false", name);
        if (told(t, pulled)) return;
        assert.equal(`sha256:${pulled.stdout.trim()}`, await imageId(tag), pulled.stderr);
        const how = ["--rm", "--network", "none", "--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
        const ran = await at(command, ...storage, "run", ...how, name);
        if (!told(t, ran)) assert.equal(ran.stdout, SAID, ran.stderr);
        for (const format of ["oci", "v2s2"]) {
          await out(command, ...storage, "push", "-q", "--tls-verify=false", "--format", format, name, `docker://${host}/podman:${format}`);
          await pullAndRun(`${host}/podman:${format}`);
        }
      }
    }
  });

  test("buildah builds on what nought pushed, and nought runs it", { skip: why(buildah) }, async (t) => {
    const command = hidden(buildah as string[]);
    for (const { host } of registries) {
      const from = await at(command, ...storage, "from", "-q", "--tls-verify=false", `${host}/nought:1`);
      if (told(t, from)) return;
      assert.equal(from.status, 0, from.stderr);
      const container = from.stdout.trim().split("\n").at(-1) as string;
      await out(command, ...storage, "copy", "-q", container, "ctx/words", "/more");
      await out(command, ...storage, "commit", "-q", "--tls-verify=false", container, `docker://${host}/buildah:1`);
      await out(command, ...storage, "rm", container);
      await pullAndRun(`${host}/buildah:1`);
      assert.match(await out(nought, "ls-files", `${host}/buildah:1`), /more/);
    }
  });

  test("skopeo copies what nought pushed, in every form, and nought runs the copies", { skip: why(skopeo) }, async () => {
    const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    const forms = {
      same: ["--preserve-digests"],
      zstd: ["--dest-compress-format", "zstd"],
      schema2: ["--format", "v2s2"],
      all: ["--all", "--preserve-digests"],
    };
    for (const { host } of registries) {
      for (const [tag, how] of Object.entries(forms)) {
        const from = `docker://${host}/nought:${tag === "all" ? "multi" : "1"}`;
        await out(skopeo as string[], "copy", "-q", "--insecure-policy", ...tls, ...how, from, `docker://${host}/skopeo:${tag}`);
        await pullAndRun(`${host}/skopeo:${tag}`);
      }
      for (const [copy, original] of [
        ["same", "1"],
        ["all", "multi"],
      ] as const) {
        const digest = (await documentAt(host, "nought", original)).digest;
        assert.equal((await documentAt(host, "skopeo", copy)).digest, digest, "the same bytes");
        await out(nought, "copy", "-q", `docker://${host}/nought:${original}`, `docker://${host}/copied:${original}`);
        assert.equal((await documentAt(host, "copied", original)).digest, digest, "as nought copies them");
      }
    }
  });

  test("crane finds no fault with what nought pushed, and copies it as nought does", { skip: why(crane) }, async () => {
    const command = crane as string[];
    for (const { host } of registries) {
      await out(command, "validate", "--insecure", "--remote", `${host}/nought:1`);
      assert.equal(
        (await out(command, "digest", "--insecure", `${host}/nought:multi`)).trim(),
        (await documentAt(host, "nought", "multi")).digest,
      );
      await out(command, "cp", "--insecure", `${host}/nought:multi`, `${host}/crane:multi`);
      assert.equal((await documentAt(host, "crane", "multi")).digest, (await documentAt(host, "nought", "multi")).digest);
      await pullAndRun(`${host}/crane:multi`);
      await out(command, "mutate", "--insecure", `${host}/nought:1`, "--label", "made.by=crane", "-t", `${host}/crane:label`);
      await pullAndRun(`${host}/crane:label`);
      await out(command, "flatten", "--insecure", `${host}/nought:1`, "-t", `${host}/crane:flat`);
      await pullAndRun(`${host}/crane:flat`);
      assert.deepEqual((await out(command, "ls", "--insecure", `${host}/crane`)).trim().split("\n").sort(), ["flat", "label", "multi"]);
    }
  });
});
