import type { Flag } from "../flags.ts";

const FORM = [
  "Format output using a template of your own:",
  "'table':            Print a table with column headers (default)",
  "'table TEMPLATE':   Print a table of the columns in the Go template",
  "'json':             Print JSON",
  "'TEMPLATE':         Print what the Go template says",
];

/** `--format` of commands that print a table. */
export const TABLE_FORMAT: Flag = { name: "format", type: "string", description: FORM.join("\n") };

/** `-f, --format` of commands that print one object. */
export const OBJECT_FORMAT: Flag = { name: "format", short: "f", type: "string", description: [FORM[0], FORM[3], FORM[4]].join("\n") };

/** `-f, --force` of commands that ask first. */
export const FORCE: Flag = { name: "force", short: "f", type: "bool", description: "Do not prompt for confirmation" };

/** Flags every command takes. */
export const GLOBAL: readonly Flag[] = [
  {
    name: "store",
    type: "string",
    placeholder: "dir",
    description: "Folder of the local store (default $XDG_DATA_HOME/nought, or NOUGHT_STORE)",
  },
  { name: "debug", short: "D", type: "bool", description: "Show where in nought an error came from" },
];
