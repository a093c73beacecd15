import type { Command } from "../command.ts";
import { csvFields } from "../csv.ts";
import { Mistake } from "../mistake.ts";
import { quote } from "../quote.ts";
import { didYouMean } from "../suggest.ts";
import type { Instruction } from "../syntax.ts";
import { readFlags } from "./flags.ts";
import { commandLine } from "./lines.ts";
import { parseMount } from "./mount.ts";
import type { Body } from "./read.ts";

const NETWORKS = ["default", "none", "host"] as const;
const SECURITY = ["sandbox", "insecure"] as const;

/** RUN with its mounts, network, security mode and devices. */
export function readRun(instruction: Instruction): Body<"run"> {
  const flags = readFlags(instruction, { mount: "texts", network: "text", security: "text", device: "texts" });
  const network = NETWORKS.find((mode) => mode === flags.network);
  if (flags.network !== undefined && network === undefined) {
    throw new Mistake(`invalid network mode ${quote(flags.network)}`, `It is ${NETWORKS.join(", ")}.`);
  }
  const security = SECURITY.find((mode) => mode === flags.security);
  if (flags.security !== undefined && security === undefined) {
    throw new Mistake(`security ${quote(flags.security)} is not valid`, `It is ${SECURITY.join(" or ")}.`);
  }
  return {
    kind: "run",
    line: commandLine(instruction),
    mounts: flags.mount.map((mount) => parseMount(mount)),
    ...(network ? { network } : {}),
    ...(security ? { security } : {}),
    devices: flags.device.map(readDevice),
  };
}

/** `--device=NAME[,required]`, the name in the form of the Container Device Interface. */
function readDevice(text: string): (Command & { kind: "run" })["devices"][number] {
  if (text === "") throw new Mistake("failed to parse csv devices: EOF");
  let name = "";
  let required = false;
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (key === "required") {
      if (value !== undefined && !/^(?:true|false|1|0)$/i.test(value)) throw new Mistake(`invalid value for required: ${value}`);
      required = value === undefined || /^(?:true|1)$/i.test(value);
    } else if (key === "name" && value !== undefined) {
      if (name !== "") throw new Mistake(`device name already set to ${name}`);
      name = value;
    } else if (name === "") name = field;
    else if (value === undefined) throw new Mistake(`invalid field '${field}' must be a key=value pair`);
    else throw new Mistake(`unexpected key '${key}' in '${field}'${didYouMean(key, ["name", "required"])}`);
  }
  return { name, required };
}
