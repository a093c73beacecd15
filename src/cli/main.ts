import { resolve } from "node:path";
import { Failure } from "../kit/error.ts";
import type { ContentStore } from "../store/face.ts";
import { defaultStoreDir } from "../store/where.ts";
import type { Command, Invocation } from "./command.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { PipeClosed, writeAll, writeError } from "./output.ts";
import { GLOBAL } from "./table/format.ts";
import { findCommand, GROUPS } from "./table/table.ts";
import { checkWords, unknownCommand, usageFailure } from "./usage.ts";

const VERSION_FLAG = { name: "version", short: "v", type: "bool", description: "" } as const;

/** Exit codes of a program that a signal ended: 128 and the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Runs one command line; the result is the exit code. Never throws. */
async function main(argv: readonly string[]): Promise<number> {
  const abort = new AbortController();
  let signalled: keyof typeof SIGNALS | undefined;
  for (const name of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) {
    process.on(name, () => {
      if (signalled) process.exit(SIGNALS[name]);
      signalled = name;
      abort.abort(new Failure("INTERRUPTED", "interrupted", { exit: SIGNALS[name] }));
    });
  }
  let debug = debugging();
  try {
    const start = parseFlags({ flags: [...GLOBAL, VERSION_FLAG], stopAtFirst: true }, argv);
    debug ||= start.bool("debug");
    const code = await dispatch(start, abort.signal);
    return signalled ? SIGNALS[signalled] : code;
  } catch (error) {
    if (error instanceof PipeClosed) return 141;
    const { report } = await import("./render/report.ts");
    return report(error, { signalExit: signalled && SIGNALS[signalled], debug });
  }
}

function debugging(): boolean {
  return process.env.NOUGHT_DEBUG === "1";
}

async function dispatch(start: Flags & { readonly help: boolean }, signal: AbortSignal): Promise<number> {
  if (start.bool("version")) {
    const { version } = await import("./version.ts");
    writeAll(1, `nought version ${version()}\n`);
    return 0;
  }
  const words = start.args;
  return words.length === 0 ? showHelp([]) : words[0] === "help" ? showHelp(words.slice(1)) : call(start, words, signal);
}

async function call(start: Flags & { readonly help: boolean }, words: readonly string[], signal: AbortSignal): Promise<number> {
  const [first = "", second = ""] = words;
  const grouped = Object.hasOwn(GROUPS, first);
  if (start.help) return showHelp(words);
  if (grouped && (second === "" || second === "--help" || second === "-h")) return showHelp([first]);
  if (grouped && second.startsWith("-")) {
    throw new Failure("USAGE", `unknown flag: ${second}\nSee 'nought ${first} --help'.\n\nUsage:  nought ${first} COMMAND`);
  }
  const path = grouped ? `${first} ${second}` : first;
  const command = findCommand(path);
  if (!command) throw unknownCommand(grouped ? [first, second] : [first]);
  const flags = readFlags(command, path, words.slice(grouped ? 2 : 1));
  if (flags.help) return showHelp(path.split(" "));
  checkWords(command, path, flags);
  return run(command, path, flags, start, signal);
}

function readFlags(command: Command, path: string, argv: readonly string[]): Flags & { readonly help: boolean } {
  const own = new Set(command.flags.map((flag) => flag.name));
  const shorts = new Set(command.flags.map((flag) => flag.short));
  const global = GLOBAL.filter((flag) => !own.has(flag.name)).map((flag) => (shorts.has(flag.short) ? { ...flag, short: "" } : flag));
  try {
    return parseFlags({ flags: [...command.flags, ...global], ...(command.stopAtFirst ? { stopAtFirst: true } : {}) }, argv);
  } catch (error) {
    if (error instanceof Failure && error.code === "USAGE") throw usageFailure(command, path, error.message);
    throw error;
  }
}

async function run(command: Command, path: string, flags: Flags, start: Flags, signal: AbortSignal): Promise<number> {
  const storeDir = resolve(flags.string("store") ?? start.string("store") ?? defaultStoreDir(process.env));
  let opened: Promise<ContentStore> | undefined;
  const invocation: Invocation = {
    command,
    path,
    flags,
    args: flags.args,
    // A policy on the command line goes before the one of the environment, wherever it is asked for.
    env: named(command, flags, "policy") ? { ...process.env, NOUGHT_POLICY: flags.string("policy") } : process.env,
    signal,
    out: (text) => writeAll(1, text),
    err: writeError,
    storeDir,
    store: () =>
      (opened ??= import("../store/store.ts").then(({ openStore }) => openStore(storeDir, { onWait: (text) => writeError(`${text}\n`) }))),
  };
  try {
    const { run: perform } = await command.load();
    return (await perform(invocation)) ?? 0;
  } catch (error) {
    // What a command finds wrong with its own flags and words reads like what the parser finds.
    if (error instanceof Failure && error.code === "USAGE" && error.exit === 2)
      throw usageFailure(command, path, error.hint === undefined ? error.message : `${error.message}\n${error.hint}`);
    throw error;
  } finally {
    const store = await opened?.catch(() => undefined);
    await store?.[Symbol.asyncDispose]();
  }
}

/** Whether a flag that not every command has was given. */
function named(command: Command, flags: Flags, name: string): boolean {
  return command.flags.some((flag) => flag.name === name) && flags.given(name);
}

async function showHelp(words: readonly string[]): Promise<number> {
  const help = await import("./help.ts");
  const width = process.stdout.isTTY ? process.stdout.columns : 80;
  if (words.length === 0) writeAll(1, help.mainHelp(width));
  else if (words.length === 1 && Object.hasOwn(GROUPS, words[0] as string)) writeAll(1, help.groupHelp(words[0] as string));
  else {
    const path = [words.slice(0, 2).join(" "), words[0] as string].find((one) => findCommand(one));
    const command = path === undefined ? undefined : findCommand(path);
    if (!path || !command) throw unknownCommand(words);
    writeAll(1, help.commandHelp(command, path, width));
  }
  return 0;
}

/** What nobody caught: a closed pipe that a stream tells of late, or a bug. */
process.on("uncaughtException", (error) => {
  void import("./render/report.ts").then(({ report }) => process.exit(report(error, { signalExit: undefined, debug: debugging() })));
});

// Ended by hand: an unread standard input, or a connection kept open, must not hold the prompt back.
main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  () => process.exit(70),
);
