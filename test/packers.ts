/** Compressors that Node does not have, as the machine's programs; undefined where they are not installed. */
import { spawnSync } from "node:child_process";

function packer(program: string): ((bytes: Buffer) => Buffer) | undefined {
  if (spawnSync(program, ["--version"], { stdio: "ignore", input: "" }).error) return undefined;
  return (bytes) => {
    const { status, stdout, stderr } = spawnSync(program, ["-c"], { input: bytes, maxBuffer: 1 << 30 });
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`);
    return stdout;
  };
}

export const xz = packer("xz");
export const bzip2 = packer("bzip2");
