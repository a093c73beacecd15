/** nought/debian beside what mmdebstrap makes of the same suite, path by path. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { debianRoot } from "../debian-root.ts";
import { readTar, type TarMember } from "../golden/tar.ts";
import { noMirror } from "../mirror.ts";
import { program } from "../program.ts";

const nought = await program();

/** What may differ, and why; docs/bases.md says the same in words. */
const DIFFERENT: readonly (readonly [RegExp, string])[] = [
  [/^dev\//, "a container gets its own"],
  [/^etc\/(?:resolv\.conf|hostname|fstab)$/, "mmdebstrap's own, of this machine"],
  [/^etc\/(?:passwd-|group-|shadow-|gshadow-|\.pwd\.lock)$/, "backups and a lock"],
  [/^etc\/shadow$/, "the day: that of the package instead of today"],
  [/^etc\/systemd\/system\/|^var\/lib\/systemd\/deb-systemd-helper-enabled/, "timers of a system that boots"],
  [/^etc\/apt\/sources\.list(?:\.d\/.*)?$/, "where apt finds packages"],
  [/^var\/cache\/debconf\//, "answers to questions that nobody was asked"],
  [
    /^var\/(?:cache\/apt\/archives|lib\/apt\/lists)\/(?:lock|partial\/)$|^var\/lib\/apt\/extended_states$/,
    "apt's, which makes them when it needs them",
  ],
  [/^var\/lib\/dpkg\/(?:diversions(?:-old)?|status-old|arch-native|lock(?:-frontend)?)$/, "dpkg's books of what was before"],
  [/^var\/log\//, "nothing was logged"],
];

function facts(members: readonly TarMember[]): Map<string, string> {
  const named = new Map(members.map((one) => [one.name.replace(/^\.\//, ""), one]));
  named.delete("");
  return new Map(
    [...named].map(([path, one]) => {
      const { type, mode, uid, gid, link, data } = one.type === "hardlink" ? (named.get(one.link.replace(/^\.\//, "")) ?? one) : one;
      // The order of lines in dpkg's lists of files is that of the archives or that of names.
      const text = /^var\/lib\/dpkg\/info\/.*\.list$/.test(path) ? data.toString("latin1").split("\n").sort().join("\n") : data;
      const what = type === "symlink" ? link : type === "file" ? createHash("sha256").update(text).digest("hex") : "";
      return [path, `${type} ${mode.toString(8)} ${uid}:${gid} ${what}`];
    }),
  );
}

test("nought/debian has the files that mmdebstrap --variant=minbase makes, with the same bytes, owners and modes", {
  timeout: 400_000,
}, (t) => {
  const suite = "trixie";
  const skip = noMirror(suite);
  if (skip !== undefined) return t.skip(skip);
  const root = debianRoot(suite, nought.dir);
  if ("why" in root) return t.skip(root.why);
  nought.write({ "d/Dockerfile": `FROM nought/debian:${suite}\n` });
  nought.out("build", "-q", "-o", "type=tar,dest=ours.tar", "d");
  const ours = facts(readTar(readFileSync(join(nought.dir, "ours.tar"))));
  const theirs = facts(readTar(readFileSync(root.tar)));
  const differing = [...new Set([...ours.keys(), ...theirs.keys()])].filter((path) => ours.get(path) !== theirs.get(path)).sort();
  const unexplained = differing.filter((path) => !DIFFERENT.some(([form]) => form.test(path)));
  assert.deepEqual(
    unexplained.map((path) => `${path}: ${ours.get(path) ?? "missing"} | ${theirs.get(path) ?? "missing"}`),
    [],
  );
  assert(ours.size - differing.length > 5000, `${ours.size} paths, ${differing.length} of them differ`);
});
