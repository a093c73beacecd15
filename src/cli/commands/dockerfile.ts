import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { parseDockerfile } from "../../dockerfile/parse.ts";
import { printSyntaxJson, printSyntaxText } from "../../dockerfile/print.ts";
import { Failure, Failures } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable, printableLine } from "../../kit/printable.ts";
import { storageFailure } from "../../kit/storage-failure.ts";
import { standardInput } from "../build/stdin.ts";
import type { Invocation } from "../command.ts";
import { calmJson } from "../render/json.ts";

/** `nought dockerfile parse`: the syntax tree on standard output, warnings on standard error. Throws SYNTAX with all that is wrong. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const format = flags.bool("json") ? "json" : (flags.string("format") as string);
  if (format !== "json" && format !== "text") throw new Failure("USAGE", `format "${printable(format)}" is neither text nor json`);
  const file = call.args[0] as string;
  const bytes = file === "-" ? await fromInput(call.signal) : fromFile(file);
  const syntax = parseDockerfile(bytes, file === "-" ? "Dockerfile" : basename(file));
  const [first, ...rest] = syntax.errors;
  if (first) throw rest.length === 0 ? first : new Failures([first, ...rest]);
  if (format === "text") for (const { message, line } of syntax.warnings) call.err(`WARNING: ${printableLine(message)} (line ${line})\n`);
  const text = format === "json" ? calmJson(printSyntaxJson(syntax)) : printSyntaxText(syntax);
  call.out(text === "" || text.endsWith("\n") ? text : `${text}\n`);
}

function tooLarge(what: string): Failure {
  return new Failure("LIMIT", `${printable(what)} is larger than ${LIMITS.dockerfileBytes} bytes (limit dockerfileBytes)`);
}

function fromFile(file: string): Buffer {
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    const facts = fstatSync(fd);
    if (facts.isDirectory()) throw new Failure("NOT_FOUND", `${printable(file)} is a folder, not a Dockerfile`);
    const buffer = Buffer.alloc(LIMITS.dockerfileBytes + 1);
    let size = 0;
    for (let got = -1; got !== 0 && size < buffer.length; size += got) got = readSync(fd, buffer, size, buffer.length - size, null);
    if (size === buffer.length) throw tooLarge(file);
    return buffer.subarray(0, size);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") throw new Failure("NOT_FOUND", `open ${printable(file)}: no such file or directory`);
    throw storageFailure(error, "could not read", file);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

async function fromInput(signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of standardInput(signal)) {
    size += chunk.length;
    if (size > LIMITS.dockerfileBytes) throw tooLarge("standard input");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
