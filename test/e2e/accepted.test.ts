/**
 * Images of nought in other people's hands: skopeo copies them, podman and docker load and run them, crun starts what `-o type=local` wrote.
 * A tool that is missing, or that cannot run even an image of its own making on this machine, is skipped with that reason.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "nought-accepted-"));
const env = {
  ...process.env,
  HOME: scratch,
  NOUGHT_STORE: join(scratch, "store"),
  CONTAINERS_STORAGE_CONF: join(scratch, "storage.conf"),
  TMPDIR: scratch,
};
/** What a container of each example prints. */
const EXAMPLES = { hello: "Hello from scratch!\n", whoami: whoamiSays(10001, 10002) } as const;
const names = Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[];
const ids = new Map<string, string>();

function whoamiSays(uid: number, gid: number): string {
  const { stdout } = spawnSync(join(root, "examples/whoami/whoami"), ["nobody", "asked"], { encoding: "utf8", uid: process.getuid?.() });
  return stdout.replace(/\d+/, String(uid)).replace(/(\D)\d+(?!.*\d)/s, `$1${gid}`);
}

function run(command: readonly string[], options: { readonly cwd?: string } = {}) {
  const [program = "", ...args] = command;
  return spawnSync(program, args, { encoding: "utf8", env, cwd: scratch, timeout: 120_000, ...options });
}

function must(command: readonly string[], options: { readonly cwd?: string } = {}): string {
  const { status, stdout, stderr, error } = run(command, options);
  assert.equal(status, 0, `${command.join(" ")}\n${error ?? ""}${stdout}${stderr}`);
  return stdout;
}

const nought = (...args: string[]) => must([join(root, "bin/nought"), ...args]);
const isThere = (program: string) => !run([program, "--version"]).error;

/** Runtimes of Debian 12 refuse cgroups of both versions at once; without the second one, in a mount namespace of our own, they start. */
function besideCgroup2(...command: string[]): string[] {
  if (!existsSync("/sys/fs/cgroup/unified") || process.getuid?.() !== 0) return command;
  return ["unshare", "-m", "sh", "-c", 'umount -l /sys/fs/cgroup/unified; exec "$@"', "sh", ...command];
}

before(() => {
  for (const name of names) ids.set(name, nought("build", "-q", "-t", name, join(root, "examples", name)).trim());
  for (const name of names) nought("save", "-o", `${name}.tar`, name);
  const [graph, running] = [join(scratch, "podman"), join(scratch, "podman-run")];
  writeFileSync(join(scratch, "storage.conf"), `[storage]\ndriver = "vfs"\ngraphroot = "${graph}"\nrunroot = "${running}"\n`);
  writeFileSync(join(scratch, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
});
after(() => rmSync(scratch, { recursive: true, force: true }));

test("skopeo copies archives and layouts, and finds the same image ID", (t) => {
  if (!isThere("skopeo")) return t.skip("no skopeo");
  for (const name of names) {
    const dir = join(root, "examples", name);
    nought("build", "-q", "-o", `type=oci,dest=${name}.oci.tar`, dir);
    nought("build", "-q", "-o", `type=oci,dest=${name}.oci,tar=false,compression=zstd`, dir);
    nought("build", "-q", "-o", `type=docker,dest=${name}.docker.tar`, "-t", name, dir);
    for (const from of [
      `docker-archive:${name}.tar`,
      `docker-archive:${name}.docker.tar`,
      `oci-archive:${name}.oci.tar`,
      `oci:${name}.oci`,
    ]) {
      const to = join(scratch, "copied");
      must(["skopeo", "--policy", "policy.json", "copy", from, `dir:${to}`]);
      assert.equal(JSON.parse(readFileSync(join(to, "manifest.json"), "utf8")).config.digest, ids.get(name), from);
      rmSync(to, { recursive: true });
    }
  }
});

const podman = ["podman", "--cgroup-manager=cgroupfs"];
const podmanRun = (...args: string[]) =>
  besideCgroup2(
    ...podman,
    "run",
    "--rm",
    "--network=none",
    "--cgroups=disabled",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
    ...args,
  );

test("podman loads and runs them", (t) => {
  if (!isThere("podman")) return t.skip("no podman");
  for (const name of names)
    assert.match(must([...podman, "load", "-i", `${name}.tar`]), new RegExp(`Loaded image: docker.io/library/${name}:latest`));
  for (const name of names)
    assert.equal(
      `sha256:${must([...podman, "images", "-q", "--no-trunc", name])
        .trim()
        .replace("sha256:", "")}`,
      ids.get(name),
    );
  if (!canRun(t, [...podman, "import"], podmanRun)) return;
  for (const name of names) assert.equal(must(podmanRun(name)), EXAMPLES[name]);
  assert.equal(must(podmanRun("whoami", "somebody", "asked")), EXAMPLES.whoami.replace("nobody", "somebody"));
});

test("docker loads and runs them, and its history reads like ours", (t) => {
  const docker = (process.env.NOUGHT_DOCKER?.trim() || "docker").split(/\s+/);
  if (run([...docker, "version"]).status !== 0) return t.skip("no docker answers (PATH, or NOUGHT_DOCKER with the command)");
  const ours = names.map((name) => `nought-accepted/${name}:latest`);
  try {
    for (const [at, name] of names.entries()) {
      const tagged = ours[at] as string;
      nought("tag", name, tagged);
      nought("save", "-o", "tagged.tar", tagged);
      assert.equal(must([...docker, "load", "-i", "tagged.tar"]), `Loaded image: ${tagged}\n`);
      const look = ["history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}|{{.Comment}}"];
      assert.equal(must([...docker, ...look, tagged]), nought(...look, tagged));
    }
    const dockerRun = (...args: string[]) => [...docker, "run", "--rm", "--network=none", ...args];
    if (!canRun(t, [...docker, "import"], dockerRun)) return;
    for (const [at, name] of names.entries()) assert.equal(must(dockerRun(ours[at] as string)), EXAMPLES[name]);
  } finally {
    run([...docker, "rmi", "-f", ...ours, "nought-accepted/own"]);
  }
});

test("crun starts what -o type=local wrote", (t) => {
  if (!isThere("crun")) return t.skip("no crun");
  const start = (name: string, fill: (rootfs: string) => void): string[] => {
    const bundle = join(scratch, `bundle-${name}`);
    mkdirSync(bundle);
    fill(join(bundle, "rootfs"));
    must(["crun", "spec"], { cwd: bundle });
    const spec = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
    const { Entrypoint, Cmd } = JSON.parse(nought("inspect", "--format", "{{json .Config}}", name));
    spec.process = {
      ...spec.process,
      terminal: false,
      args: [...(Entrypoint ?? []), ...(Cmd ?? [])],
      rlimits: [],
      user: { uid: 10001, gid: 10002 },
    };
    writeFileSync(join(bundle, "config.json"), JSON.stringify(spec));
    return besideCgroup2(
      "crun",
      "--root",
      join(scratch, "crun"),
      "--cgroup-manager=disabled",
      "run",
      "--bundle",
      bundle,
      `nought-${process.pid}-${name}`,
    );
  };
  const own = run(start("whoami", (rootfs) => cpSync(join(root, "examples/whoami/whoami"), join(rootfs, "bin/whoami"))));
  if (own.status !== 0) return t.skip(`crun runs nothing on this machine: ${own.stderr.trim()}`);
  rmSync(join(scratch, "bundle-whoami"), { recursive: true });
  for (const name of names) {
    const command = start(name, (rootfs) => {
      mkdirSync(rootfs); // a folder that nought makes is for its owner alone, as docker has it
      nought("build", "-q", "-o", `type=local,dest=${rootfs}`, join(root, "examples", name));
    });
    assert.equal(must(command), EXAMPLES[name]);
  }
});

/** Whether the tool can run an image that it made itself; skips with its words otherwise. */
function canRun(t: TestContext, toImport: readonly string[], toRun: (...args: string[]) => string[]): boolean {
  must(["tar", "-cf", "own.tar", "-C", join(root, "examples/whoami"), "whoami"]);
  must([...toImport, "own.tar", "nought-accepted/own"]);
  const own = run(toRun("nought-accepted/own", "/whoami"));
  if (own.status !== 0) t.skip(`loaded, but it runs nothing on this machine: ${own.stderr.trim().split("\n").at(-1)}`);
  return own.status === 0;
}
