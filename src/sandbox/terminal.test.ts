import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { findProgram } from "./engine.ts";
import { whyNot } from "./testing/box.ts";
import { onTerminal } from "./testing/pty.ts";

const skip = whyNot() || (findProgram("stty") ? false : "there is no stty");
const driver = `'${process.execPath}' '${join(import.meta.dirname, "testing/interactive.ts")}'`;

/** What is on the screen when the shell has ended; `type` is asked after each piece of it. */
async function screen(line: string, type: (shown: string) => string | undefined = () => undefined): Promise<string> {
  const env = Object.fromEntries(Object.entries(process.env).filter((one): one is [string, string] => one[1] !== undefined));
  const child = onTerminal(line, env);
  let shown = "";
  child.stdout?.on("data", (piece: Buffer) => {
    shown += piece.toString();
    const keys = type(shown);
    if (keys) child.stdin?.write(keys);
  });
  await new Promise((resolve) => child.once("close", resolve));
  return shown.replaceAll("\r\n", "\n");
}

/** The settings before and after something. */
const around = (line: string) => `a=$(stty -g); ${line}; sleep 0.3; [ "$a" = "$(stty -g)" ] && echo same settings || stty -a`;

test("X16: a terminal of the sandbox's own follows nought's, which is as it was afterwards", { skip, timeout: 30_000 }, async () => {
  let typed = false;
  const line = "stty size; read word; echo word=$word; exit 3";
  const shown = await screen(around(`stty rows 41 cols 99; ${driver} '${line}'; echo code $?`), (text) => {
    if (typed || !text.includes("41 99")) return undefined;
    typed = true;
    return "hello\r";
  });
  assert.equal(shown, "41 99\nhello\nword=hello\ncode 3\nsame settings\n");
});

test("X16: killed with -9, the terminal is put back", { skip, timeout: 30_000 }, async () => {
  const shown = await screen(around(`${driver} 'sleep 100' killed`));
  assert.match(shown, /is raw[\s\S]*same settings\n$/);
});

test("X16: a storm of new sizes, keys that are signals elsewhere, and a closed input", { skip, timeout: 30_000 }, async () => {
  const storm = "(for n in $(seq 20 70); do stty rows $n cols 90 < /dev/tty; done) & ";
  const inner = "trap 'echo got INT' INT; echo up; while read w; do :; done; sleep 0.3; stty size";
  let typed = 0;
  const shown = await screen(`${storm} ${driver} "${inner}"; wait; stty size`, (text) => {
    if (typed === 0 && text.includes("up")) return typed++ === 0 ? "\x03" : undefined;
    if (typed === 1 && text.includes("got INT")) return typed++ === 1 ? "\x04" : undefined;
    return undefined;
  });
  assert.match(shown, /^up\n\^C(?:\n)?got INT\n[\s\S]*70 90\n70 90\n$/);
});
