import { availableParallelism, release, totalmem } from "node:os";
import { hostPlatform } from "../../oci/platform.ts";
import { readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { compileTemplate } from "../template/execute.ts";
import { goJson } from "../template/value.ts";
import { version } from "../version.ts";

/** `nought info`: where things are and what this runs on, under docker's names where there is one. */
export async function run(call: Invocation): Promise<void> {
  const store = await call.store();
  const { images } = await readCatalog(store);
  const host = hostPlatform();
  const facts = {
    ID: "",
    Containers: 0,
    Images: new Set(images.map((one) => one.id)).size,
    Driver: "nought",
    DockerRootDir: call.storeDir,
    ServerVersion: version(),
    NodeVersion: process.version,
    KernelVersion: release(),
    OSType: host.os,
    Architecture: host.architecture,
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    SecurityOptions: process.getuid?.() === 0 ? [] : ["name=rootless"],
  };
  const format = call.flags.string("format");
  if (format === "json") call.out(`${goJson(facts)}\n`);
  else if (format) call.out(`${compileTemplate(format, {}, 64).execute(facts)}\n`);
  else {
    const gib = (facts.MemTotal / 2 ** 30).toPrecision(4);
    const lines = [
      `Version:        ${facts.ServerVersion}`,
      `Images:         ${facts.Images}`,
      `Store:          ${facts.DockerRootDir}`,
      "Daemon:         none",
      `Rootless:       ${process.getuid?.() !== 0}`,
      `Node version:   ${facts.NodeVersion}`,
      `Kernel version: ${facts.KernelVersion}`,
      `OSType:         ${facts.OSType}`,
      `Architecture:   ${facts.Architecture}`,
      `CPUs:           ${facts.NCPU}`,
      `Total memory:   ${Number(gib)}GiB`,
    ];
    call.out(`nought:\n${lines.map((line) => ` ${line}\n`).join("")}`);
  }
}
