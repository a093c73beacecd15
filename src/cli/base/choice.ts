import type { ArchiveChoice } from "../../base/embedded.ts";
import type { Flag, Flags } from "../flags.ts";

/** Flags that say where packages come from. */
export const ARCHIVE_FLAGS: readonly Flag[] = [
  { name: "suite", type: "string", placeholder: "name", description: "Debian's suite to take packages from, such as trixie or bookworm" },
  {
    name: "mirror",
    type: "list",
    placeholder: "url",
    description: "Archive to fetch from instead of the one that the machine's apt names, [SUITE=]URL",
  },
  {
    name: "snapshot",
    type: "string",
    placeholder: "time",
    description: "Archive as it was, such as 2025-05-20, where the mirror's address has a time in it",
  },
  { name: "keyring", type: "list", placeholder: "file", description: "Keys to trust instead of Debian's" },
  { name: "offline", type: "bool", description: "Ask no server: take what the store has" },
  { name: "allow-expired", type: "bool", description: "Accept a suite beyond its Valid-Until, as snapshots are" },
];

/** What the flags came to. */
export function archiveChoice(flags: Flags, env: Readonly<Record<string, string | undefined>>): ArchiveChoice {
  const [mirrors, keyrings] = [flags.list("mirror"), flags.list("keyring")];
  const [suite, snapshot] = [flags.string("suite"), flags.string("snapshot")];
  return {
    env: { ...env },
    ...(suite === undefined ? {} : { suite }),
    ...(mirrors.length > 0 ? { mirrors } : {}),
    ...(keyrings.length > 0 ? { keyrings } : {}),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(flags.bool("offline") ? { offline: true } : {}),
    ...(flags.bool("allow-expired") ? { allowExpired: true } : {}),
  };
}
