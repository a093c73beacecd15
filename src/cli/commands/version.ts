import { formatPlatform, hostPlatform } from "../../oci/platform.ts";
import type { Invocation } from "../command.ts";
import { compileTemplate } from "../template/execute.ts";
import { goJson } from "../template/value.ts";
import { version } from "../version.ts";

/** `nought version`: docker's shape, one program instead of client and server. */
export async function run(call: Invocation): Promise<void> {
  const host = hostPlatform();
  const facts = {
    Version: version(),
    NodeVersion: process.version,
    Os: host.os,
    Arch: host.architecture,
  };
  const format = call.flags.string("format");
  const data = { Client: facts, Server: { Platform: { Name: "" }, ...facts } };
  if (format === "json") call.out(`${goJson(data)}\n`);
  else if (format) call.out(`${compileTemplate(format, {}, 64).execute(data)}\n`);
  else {
    call.out(
      `nought:\n Version:      ${facts.Version}\n Node version: ${facts.NodeVersion}\n OS/Arch:      ${formatPlatform(host)}\n Engine:       none (no daemon)\n`,
    );
  }
}
