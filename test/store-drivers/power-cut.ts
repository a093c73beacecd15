// Cuts the power of a disk under a store, again and again. Runs in a mount namespace of its own, because a mount that some
// other process still sees keeps the dead file system alive:
//   unshare -m --propagation private node power-cut.ts FOLDER DRIVER ROUNDS SEED
// The disk is an ext4 image on a loop device. "Power off" is ext4's shutdown ioctl (as xfstests uses): from then on nothing reaches the
// disk; with flag 2 not even what is in the journal's memory. Mounting again replays the journal, as after a real cut.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder = "", driver = "", rounds = "0", seed = "0"] = process.argv.slice(2);
const [image, mount] = [join(folder, "disk"), join(folder, "mounted")];
const store = join(mount, "store");
let state = Number(seed) >>> 0;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
};
const once = (...args: string[]) =>
  execFileSync(process.execPath, [driver, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const attach = () => execFileSync("mount", ["-o", "loop", image, mount], { stdio: "inherit" });
const cut = (flag: number) =>
  execFileSync(
    "perl",
    ["-e", `open(my $f, "<", $ARGV[0]) or die; my $w = pack("I", ${flag}); ioctl($f, 0x8004587D, $w) or die "ioctl: $!"`, mount],
    {
      stdio: "inherit",
    },
  );

writeFileSync(image, "");
truncateSync(image, 256 << 20);
mkdirSync(mount);
execFileSync("mkfs.ext4", ["-q", "-F", image], { stdio: "inherit" });
attach();
/** What was reported done: name to digest. */
const done = new Map<string, string>([["anchor", JSON.parse(once("build", store, "anchor", "anchor", "50000").slice(3)) as string]]);
const wrong: string[] = [];

for (let round = 0; round < Number(rounds); round++) {
  const workers = (["build", "load"] as const).map((kind) => {
    const child = spawn(process.execPath, [driver, "loop", kind, "60", store, `${kind}%`, `${round} %`, "150000"]);
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    return new Promise<{ kind: string; out: string; err: string; status: number | null }>((resolve) =>
      child.on("close", (status) => resolve({ kind, out, err, status })),
    );
  });
  await new Promise((resolve) => setTimeout(resolve, 60 + random() * 300));
  const flag = random() < 0.5 ? 1 : 2;
  cut(flag);
  // Names that somebody may have moved without being told that it was done.
  const open = new Set<string>();
  for (const { kind, out, err, status } of await Promise.all(workers)) {
    if (status !== 0 && status !== 7) wrong.push(`round ${round}: ${kind} ended with ${status}: ${err}`);
    const said = [...out.matchAll(/^ok (.*)$/gm)].map(([, text = ""]) => JSON.parse(text) as string);
    said.forEach((digest, at) => done.set(`${kind}${at}`, digest));
    open.add(`${kind}${said.length}`);
  }
  execFileSync("umount", [mount]);
  attach();
  const errors = JSON.parse(once("check", store).slice(3)) as string[];
  wrong.push(...errors.map((error) => `round ${round}, flag ${flag}: ${error}`));
  const names = JSON.parse(once("names", store).slice(3)) as Record<string, string>;
  for (const [name, digest] of done) {
    const now = names[name] ?? "gone";
    if (now !== digest && !open.has(name)) wrong.push(`round ${round}, flag ${flag}: ${name} is ${now} and not ${digest}`);
    done.set(name, now);
  }
  if (round % 4 === 3) once("prune", store, "all");
}
execFileSync("umount", [mount]);
console.log(JSON.stringify({ wrong, done: done.size }));
