import type { Command } from "../command.ts";
import { BASE_COMMANDS } from "./base.ts";
import { BUILD_COMMANDS } from "./build.ts";
import { CACHE_COMMANDS } from "./cache.ts";
import { CONTAINER_COMMANDS } from "./container.ts";
import { FILES_COMMANDS } from "./files.ts";
import { IMAGE_COMMANDS } from "./image.ts";
import { INSIDE_COMMANDS } from "./inside.ts";
import { OTHER_COMMANDS } from "./other.ts";
import { REGISTRY_COMMANDS } from "./registry.ts";
import { SERVE_COMMANDS } from "./serve.ts";
import { SIGN_COMMANDS } from "./sign.ts";
import { VOLUME_COMMANDS } from "./volume.ts";

/** Every command there is. */
export const COMMANDS: readonly Command[] = [
  ...BASE_COMMANDS,
  ...BUILD_COMMANDS,
  ...CACHE_COMMANDS,
  ...CONTAINER_COMMANDS,
  ...FILES_COMMANDS,
  ...IMAGE_COMMANDS,
  ...INSIDE_COMMANDS,
  ...OTHER_COMMANDS,
  ...REGISTRY_COMMANDS,
  ...SERVE_COMMANDS,
  ...SIGN_COMMANDS,
  ...VOLUME_COMMANDS,
];

/** Words that only group commands, and what they say of themselves. */
export const GROUPS: Readonly<Record<string, string>> = {
  base: "Make images from Debian packages",
  builder: "Manage builds",
  buildx: "Manage builds (docker's other name for builder)",
  cache: "Manage the build cache",
  container: "Manage containers",
  dockerfile: "Look into Dockerfiles",
  image: "Manage images",
  key: "Manage keys for signing",
  manifest: "Look into manifests",
  registry: "Serve images to others",
  system: "Manage nought",
  volume: "Manage volumes",
};

/** Groups that work but are not listed. */
export const QUIET_GROUPS: ReadonlySet<string> = new Set(["buildx"]);

/** The command behind a path such as `image ls`, or undefined. */
export function findCommand(path: string): Command | undefined {
  return COMMANDS.find((command) => command.paths.includes(path));
}

/** The commands of a group under their second word, the group's own spelling only; in the order of words. */
export function commandsOf(group: string): readonly { readonly word: string; readonly command: Command }[] {
  const found = new Map<string, Command>();
  const seen = new Set<Command>();
  for (const command of COMMANDS) {
    for (const path of command.paths) {
      if (!path.startsWith(`${group} `) || seen.has(command)) continue;
      seen.add(command);
      found.set(path.slice(group.length + 1), command);
    }
  }
  return [...found].map(([word, command]) => ({ word, command })).sort((a, b) => (a.word < b.word ? -1 : 1));
}
