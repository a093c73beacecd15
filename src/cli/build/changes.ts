import { plan } from "../../build/plan/plan.ts";
import { parseDockerfile } from "../../dockerfile/parse.ts";
import { toProgram } from "../../dockerfile/program.ts";
import type { Image } from "../../image/layer.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import type { ContainerConfig } from "../../oci/config.ts";
import type { Descriptor } from "../../oci/descriptor.ts";
import { digestOf } from "../../oci/digest.ts";
import { MEDIA } from "../../oci/media-type.ts";
import type { Platform } from "../../oci/platform.ts";

/** Instructions that need nothing but a config. */
const CHANGES = new Set([
  "CMD",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "HEALTHCHECK",
  "LABEL",
  "ONBUILD",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
]);

/** Nothing but instructions. */
const REQUEST = {
  context: { kind: "none" },
  dockerfile: { kind: "text", text: "" },
  names: [],
  buildArgs: {},
  labels: {},
  annotations: {},
  contexts: {},
  noCacheFilter: [],
  addHosts: [],
  secrets: [],
  ssh: [],
  outputs: [],
  noCache: false,
  pull: false,
} as const;

/**
 * The config that `-c` instructions make of another one, or of none: planned as those of a Dockerfile are, FROM an image with that config.
 * Throws SYNTAX, USAGE.
 */
export async function changedConfig(
  changes: readonly string[],
  base: ContainerConfig | undefined,
  platform: Platform,
): Promise<ContainerConfig> {
  if (changes.length === 0) return base ?? {};
  for (const change of changes) {
    const word = /^\s*(\S*)/.exec(change)?.[1] ?? "";
    if (!CHANGES.has(word.toUpperCase())) throw new Failure("USAGE", `${printable(word)} is not a valid change command`, { exit: 1 });
    if (/[\r\n]/.test(change)) throw new Failure("USAGE", `-c ${printable(change)}: one instruction, on one line`, { exit: 1 });
  }
  const program = toProgram(parseDockerfile([base ? "FROM base" : "FROM scratch", ...changes].join("\n"), "--change"));
  const [wrong] = program.errors;
  if (wrong) throw wrong;
  // Triggers wait for a build; that of the instructions here is none.
  const { OnBuild, ...own } = base ?? {};
  const find = { image: base ? async () => ({ image: imageOf(own, platform), name: "base" }) : never };
  const graph = await plan(program, REQUEST, { target: platform, build: platform }, find);
  const { Env = [], ArgsEscaped, ...config } = graph.stages.get(0)?.config ?? {};
  // FROM scratch gives a PATH, which an imported file system has of itself or not at all.
  const given = base || changes.some((one) => /\bPATH\b/.test(one)) ? Env : Env.filter((one) => !one.startsWith("PATH="));
  const triggers = [...(OnBuild ?? []), ...(config.OnBuild ?? [])];
  // A mark that builds set, and that a config without a build has no use for.
  const escaped = ArgsEscaped && (!base || base.ArgsEscaped) ? { ArgsEscaped } : {};
  return { ...config, ...escaped, ...(given.length > 0 ? { Env: given } : {}), ...(triggers.length > 0 ? { OnBuild: triggers } : {}) };
}

function imageOf(config: ContainerConfig, { os, architecture }: Platform): Image {
  const descriptor: Descriptor = { mediaType: MEDIA.manifest, digest: digestOf(""), size: 0 };
  const rootfs = { type: "layers", diff_ids: [] } as const;
  return { descriptor, configDescriptor: descriptor, config: { os, architecture, config, rootfs, history: [] }, layers: [] };
}

async function never(): Promise<never> {
  throw new Failure("USAGE", "-c cannot name images");
}
