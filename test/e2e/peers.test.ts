/**
 * Other tools take what nought makes: skopeo, podman, docker, buildah, umoci read the image, podman, docker and crun run it. Each is found on PATH, or
 * through NOUGHT_PEERS, a command that starts them (`NOUGHT_PEERS="chroot /srv/peers"`), docker also through NOUGHT_DOCKER. Missing ones are skipped.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { dockerCommand, dockerVersion } from "../golden/docker.ts";
import { noughtCommand } from "../golden/nought.ts";
import { type Ran, run } from "../golden/run.ts";
import { hidden, machineTrouble, peer } from "../peers.ts";

const root = join(import.meta.dirname, "../..");
const dir = mkdtempSync(join(tmpdir(), "nought-peers-"));
const env = { ...process.env, NOUGHT_STORE: join(dir, "store"), SOURCE_DATE_EPOCH: undefined };
const nought = await noughtCommand();
const SAID = "user 10001:10002, words: nobody asked\n";
const canRun = process.arch === "x64" ? undefined : "the ready-made program is for x86-64";
let imageId = "";

/** Troubles of the machine, not of the image: then the test says so instead of failing. */
function machine(t: TestContext, ran: Ran): boolean {
  const trouble = machineTrouble(ran);
  if (trouble !== undefined) t.skip(trouble);
  return trouble !== undefined;
}

before(async () => {
  const outputs = [
    "type=image",
    "type=oci,dest=oci.tar",
    "type=oci,dest=gzip.tar,compression=gzip,force-compression=true",
    "type=oci,dest=zstd.tar,compression=zstd,force-compression=true",
    "type=docker,dest=docker.tar",
    "type=oci,dest=layout,tar=false",
    "type=local,dest=bundle/rootfs",
  ].flatMap((output) => ["-o", output]);
  mkdirSync(join(dir, "bundle"));
  const words = ["build", "-q", "-t", "nought-peers:1", "--iidfile", "id", ...outputs, join(root, "examples/whoami")];
  const made = await run(nought, words, { cwd: dir, env });
  assert.equal(made.status, 0, made.stderr);
  imageId = readFileSync(join(dir, "id"), "utf8").trim();
});
after(() => rmSync(dir, { recursive: true, force: true }));

const at = (command: readonly string[], ...args: string[]) => run(command, args, { cwd: dir, env });

describe("skopeo", async () => {
  const skopeo = await peer("skopeo");
  for (const source of ["oci-archive:oci.tar", "oci-archive:gzip.tar", "oci-archive:zstd.tar", "docker-archive:docker.tar", "oci:layout"]) {
    test(`skopeo copies ${source}`, { skip: typeof skopeo === "string" && skopeo }, async () => {
      const to = `copy-${source.replaceAll(/\W/g, "-")}`;
      const { status, stderr } = await at(skopeo as string[], "copy", "-q", "--insecure-policy", source, `dir:${to}`);
      assert.equal(status, 0, stderr);
      const manifest = JSON.parse(readFileSync(join(dir, to, "manifest.json"), "utf8"));
      assert.equal(manifest.config.digest, imageId, "the image ID stays");
    });
  }
});

describe("podman", async () => {
  const podman = await peer("podman");
  const storage = ["--root", join(dir, "podman"), "--runroot", join(dir, "podman-run"), "--storage-driver", "vfs"];
  for (const archive of ["docker.tar", "oci.tar", "gzip.tar", "zstd.tar"]) {
    test(`podman loads and runs ${archive}`, { skip: typeof podman === "string" ? podman : (canRun ?? false) }, async (t) => {
      const command = hidden(podman as string[]);
      const loaded = await at(command, ...storage, "load", "-q", "-i", archive);
      if (machine(t, loaded)) return;
      assert.equal(loaded.status, 0, loaded.stderr);
      assert.match(loaded.stdout, /nought-peers:1/);
      const how = ["--rm", "--network", "none", "--cgroups", "disabled", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
      const ran = await at(command, ...storage, "run", ...how, "nought-peers:1");
      if (machine(t, ran)) return;
      assert.equal(ran.stdout, SAID, ran.stderr);
    });
  }
});

describe("docker", async () => {
  const docker = dockerCommand();
  const version = docker && (await dockerVersion(docker));
  const missing = version ? false : "no docker answers (PATH, or NOUGHT_DOCKER with the command)";
  test("docker loads and runs the archive", { skip: missing || (canRun ?? false) }, async (t) => {
    const command = docker as string[];
    const loaded = await at(command, "load", "-i", "docker.tar");
    assert.equal(loaded.status, 0, loaded.stderr);
    assert.equal(loaded.stdout, "Loaded image: nought-peers:1\n");
    try {
      const seen = await at(
        command,
        "image",
        "inspect",
        "nought-peers:1",
        "--format",
        "{{.Id}} {{.Config.User}} {{json .Config.Entrypoint}}",
      );
      assert.equal(seen.stdout, `${imageId} 10001:10002 ["/bin/whoami"]\n`);
      const history = await at(command, "history", "--no-trunc", "--format", "{{.CreatedBy}}", "nought-peers:1");
      const mine = await at(nought, "history", "--no-trunc", "--format", "{{.CreatedBy}}", "nought-peers:1");
      assert.equal(history.stdout, mine.stdout, "docker history and nought history read alike");
      const ran = await at(command, "run", "--rm", "--network", "none", "nought-peers:1");
      if (machine(t, ran)) return;
      assert.equal(ran.stdout, SAID, ran.stderr);
    } finally {
      await at(command, "rmi", "-f", "nought-peers:1");
    }
  });
});

describe("buildah", async () => {
  const buildah = await peer("buildah");
  const storage = ["--root", join(dir, "buildah"), "--runroot", join(dir, "buildah-run"), "--storage-driver", "vfs"];
  for (const source of ["oci-archive:oci.tar", "oci-archive:zstd.tar", "docker-archive:docker.tar"]) {
    test(`buildah pulls ${source} and builds on it`, { skip: typeof buildah === "string" && buildah }, async (t) => {
      const command = buildah as string[];
      const pulled = await at(command, ...storage, "pull", "-q", source);
      if (machine(t, pulled)) return;
      assert.equal(pulled.status, 0, pulled.stderr);
      const container = (await at(command, ...storage, "from", pulled.stdout.trim())).stdout.trim();
      const { stdout, stderr } = await at(
        command,
        ...storage,
        "inspect",
        "--format",
        "{{.OCIv1.Config.User}} {{.OCIv1.Config.Cmd}}",
        container,
      );
      assert.equal(stdout.trim(), "10001:10002 [nobody asked]", stderr);
    });
  }
});

describe("umoci", async () => {
  const umoci = await peer("umoci");
  test("umoci unpacks the layout", { skip: typeof umoci === "string" && umoci }, async () => {
    const { status, stderr } = await at(umoci as string[], "unpack", "--rootless", "--image", "layout:1", "unpacked");
    assert.equal(status, 0, stderr);
    assert.deepEqual(readFileSync(join(dir, "unpacked/rootfs/bin/whoami")), readFileSync(join(root, "examples/whoami/whoami")));
    const { process: how } = JSON.parse(readFileSync(join(dir, "unpacked/config.json"), "utf8"));
    assert.deepEqual(how.args, ["/bin/whoami", "nobody", "asked"]);
  });
});

describe("crun", async () => {
  const crun = await peer("crun");
  const skip = typeof crun === "string" ? crun : (canRun ?? (process.getuid?.() === 0 ? false : "only root may start it this way"));
  test("crun starts the program from -o type=local", { skip }, async (t) => {
    // Docker and nought make the folder for its owner alone; the container's user has to get in.
    chmodSync(join(dir, "bundle/rootfs"), 0o755);
    const mount = (destination: string, type: string) => ({ destination, type, source: type, options: ["nosuid"] });
    const config = {
      ociVersion: "1.0.2",
      process: {
        user: { uid: 10001, gid: 10002 },
        args: ["/bin/whoami", "nobody", "asked"],
        env: ["PATH=/bin"],
        cwd: "/",
        noNewPrivileges: true,
      },
      root: { path: "rootfs" },
      mounts: [mount("/proc", "proc"), mount("/dev", "tmpfs")],
      linux: { namespaces: ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type })) },
    };
    writeFileSync(join(dir, "bundle/config.json"), JSON.stringify(config));
    const state = ["--root", join(dir, "crun"), "--cgroup-manager", "disabled"];
    const ran = await at(hidden(crun as string[]), ...state, "run", "-b", join(dir, "bundle"), `nought-peers-${process.pid}`);
    if (machine(t, ran)) return;
    assert.equal(ran.stdout, SAID, ran.stderr);
  });
});
