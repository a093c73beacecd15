/** How each tool is told to move an image. Every command is one whole process; `state` is a folder of its own for what it keeps. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { noughtPrefix, peerPrefix } from "./tools.ts";

export interface Mover {
  readonly name: string;
  /** What a pull leaves behind, for the table's foot. */
  readonly pulls: string;
  pull(ref: string, state: string): readonly string[];
  /** Pushes what `pull` left in `state`. Missing: it cannot. */
  push?(pulled: string, ref: string, state: string): readonly string[];
  /** Pushes plain layers, packing them with gzip on the way: from nought's `store`, or from an OCI layout of plain tars. */
  pack?(plain: { readonly store: string; readonly name: string; readonly layout: string }, ref: string): readonly string[];
  copy?(from: string, to: string): readonly string[];
  /** Whether a daemon does the work: then memory and the processors' time are not its. */
  readonly daemon?: boolean;
  /** Forgets what was pulled. */
  forget?(ref: string): readonly string[];
}

/** A name of nought's own, or the reason why a tool is not there. */
export function mover(name: string): Mover | string {
  if (name === "nought") return nought(noughtPrefix());
  const prefix = peerPrefix(name === "skopeo-unpack" ? "skopeo" : name);
  if (!prefix) return `${name}: not on PATH and no NOUGHT_BENCH_${name.toUpperCase()}`;
  switch (name) {
    case "skopeo":
      return skopeo(prefix);
    case "skopeo-unpack":
      return unpacking(prefix);
    case "crane":
      return crane(prefix);
    case "docker":
      return {
        name,
        pulls: "unpacked into the daemon's store, blobs not kept",
        daemon: true,
        pull: (ref) => [...prefix, "pull", "-q", ref],
        forget: (ref) => [...prefix, "rmi", "-f", ref],
      };
    default:
      return `${name}: no peer that is known (skopeo, crane, skopeo-unpack, docker)`;
  }
}

function nought(prefix: readonly string[]): Mover {
  const store = (state: string) => ["--store", join(state, "nought")];
  return {
    name: "nought",
    pulls: "blobs as they came, verified, in nought's store",
    pull: (ref, state) => [...prefix, ...store(state), "pull", "-q", ref],
    push: (pulled, ref, state) => [...prefix, ...store(state), "copy", "-q", pulled, `docker://${ref}`],
    pack: ({ store: dir, name }, ref) => [...prefix, "--store", dir, "copy", "-q", name, `docker://${ref}`],
    copy: (from, to) => [...prefix, "copy", "-q", `docker://${from}`, `docker://${to}`],
  };
}

function skopeo(prefix: readonly string[]): Mover {
  const copy = (from: string, to: string, ...more: string[]) => [...prefix, "--insecure-policy", "copy", "-q", ...more, from, to];
  const layout = (state: string) => `oci:${join(state, "skopeo")}:pulled`;
  const [source, target] = ["--src-tls-verify=false", "--dest-tls-verify=false"];
  return {
    name: "skopeo",
    pulls: "blobs as they came, verified, in an OCI layout",
    pull: (ref, state) => copy(`docker://${ref}`, layout(state), source),
    push: (_, ref, state) => copy(layout(state), `docker://${ref}`, target),
    pack: ({ layout: plain }, ref) => copy(`oci:${plain}`, `docker://${ref}`, target),
    copy: (from, to) => copy(`docker://${from}`, `docker://${to}`, source, target),
  };
}

function unpacking(prefix: readonly string[]): Mover {
  const storage = (state: string) => {
    mkdirSync(join(state, "run"), { recursive: true });
    return `containers-storage:[overlay@${join(state, "root")}+${join(state, "run")}]localhost/pulled:1`;
  };
  return {
    name: "skopeo-unpack",
    pulls: "unpacked into containers-storage (what podman pull does), blobs not kept",
    pull: (ref, state) => [...prefix, "--insecure-policy", "copy", "-q", "--src-tls-verify=false", `docker://${ref}`, storage(state)],
  };
}

function crane(prefix: readonly string[]): Mover {
  return {
    name: "crane",
    pulls: "blobs as they came, verified, in an OCI layout",
    pull: (ref, state) => [...prefix, "pull", "--format=oci", ref, join(state, "crane")],
    push: (_, ref, state) => [...prefix, "push", join(state, "crane"), ref],
    copy: (from, to) => [...prefix, "copy", from, to],
  };
}
