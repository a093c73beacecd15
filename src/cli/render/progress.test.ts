import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../kit/error.ts";
import type { TaskEvent, TaskNews } from "../../task/task.ts";
import { createBars } from "./bars.ts";
import { createPlain } from "./plain.ts";
import { progressMode } from "./progress.ts";
import { createRawJson } from "./rawjson.ts";
import { createTty } from "./tty.ts";

const EVIL = "\u001b[9A\u001b[2Kfaked\rline\u0008\u009b1A";

/** A terminal that understands what region.ts writes, and throws at anything else. */
class Screen {
  lines: string[] = [""];
  row = 0;
  columns: number;
  rows = 24;
  cursor = true;
  colored = false;
  constructor(columns = 80) {
    this.columns = columns;
  }

  write(text: string): void {
    for (let at = 0; at < text.length; ) {
      const code = /^\u001b\[(\?25[lh]|\d*A|J|\d+m)/.exec(text.slice(at))?.[0];
      if (code) {
        if (code.endsWith("h") || code.endsWith("l")) this.cursor = code.endsWith("h");
        else if (code.endsWith("A")) this.row = Math.max(0, this.row - Number(code.slice(2, -1)));
        else if (code.endsWith("J")) this.lines.length = this.row + 1;
        else this.colored = true;
        if (code.endsWith("J")) this.lines[this.row] = "";
        at += code.length;
        continue;
      }
      const char = text[at++] as string;
      if (char === "\n") {
        this.row++;
        this.lines[this.row] ??= "";
      } else if (char !== "\r") {
        assert.ok(char >= " ", `control character ${JSON.stringify(char)} on the terminal`);
        if ((this.lines[this.row] as string).length >= this.columns) {
          this.row++;
          this.lines[this.row] ??= "";
        }
        this.lines[this.row] += char;
      }
    }
  }

  get text(): string {
    return this.lines.join("\n").trimEnd();
  }
}

function at(clock: { now: number }, listener: (event: TaskEvent) => void): (ms: number, news: TaskNews) => void {
  return (ms, news) => {
    clock.now = ms;
    listener({ at: ms, ...news } as TaskEvent);
  };
}

test("plain: blocks of steps, transfers told when done or every two seconds, output with its time", () => {
  let text = "";
  const clock = { now: 0 };
  const renderer = createPlain((more) => (text += more));
  const emit = at(clock, renderer.listener);
  emit(0, { type: "step", id: "a", label: "[a 1/2] COPY . /", state: "started" });
  emit(100, { type: "bytes", id: "a", label: "reading", done: 10, total: 100 });
  emit(2500, { type: "bytes", id: "a", label: "reading", done: 50_000, total: 100_000 });
  emit(2600, { type: "step", id: "b", label: "[b 1/1] RUN x", state: "started" });
  emit(2700, { type: "output", id: "b", stream: 1, text: "one\ntw" });
  emit(2800, { type: "bytes", id: "a", label: "reading", done: 100_000, total: 100_000 });
  emit(2900, { type: "output", id: "b", stream: 2, text: "o\r\n" });
  emit(3000, { type: "step", id: "a", label: "[a 1/2] COPY . /", state: "done" });
  emit(3100, { type: "step", id: "b", label: "[b 1/1] RUN x", state: "done" });
  emit(3100, { type: "step", id: "c", label: "[c 1/1] WORKDIR /", state: "cached" });
  emit(3200, { type: "note", text: "by the way" });
  renderer.finish();
  assert.equal(
    text,
    [
      "#1 [a 1/2] COPY . /",
      "#1 reading 50kB / 100kB 2.5s",
      "",
      "#2 [b 1/1] RUN x",
      "#2 0.100 one",
      "",
      "#1 [a 1/2] COPY . /",
      "#1 reading 100kB done",
      "",
      "#2 [b 1/1] RUN x",
      "#2 0.300 two",
      "",
      "#1 [a 1/2] COPY . /",
      "#1 DONE 3.0s",
      "",
      "#2 [b 1/1] RUN x",
      "#2 DONE 0.5s",
      "",
      "#3 [c 1/1] WORKDIR /",
      "#3 CACHED",
      "",
      "NOTE: by the way",
      "",
    ].join("\n"),
  );
});

test("plain: a failure shows the last lines of its step again", () => {
  let text = "";
  const renderer = createPlain((more) => (text += more));
  const emit = at({ now: 0 }, renderer.listener);
  const failure = new Failure("SANDBOX", "exit code: 1");
  emit(0, { type: "step", id: "a", label: "RUN x", state: "started" });
  emit(0, { type: "output", id: "a", stream: 1, text: Array.from({ length: 20 }, (_, i) => `line ${i}\n`).join("") });
  emit(0, { type: "step", id: "a", label: "RUN x", state: "failed", failure });
  renderer.finish(failure);
  assert.match(text, /\n#1 ERROR: exit code: 1\n------\n > RUN x:\nline 10\nline 11\n[^]*line 19\n------\n$/);
});

test("O02: what a process prints cannot overwrite or fake our lines, in any mode", () => {
  const screen = new Screen();
  const clock = { now: 0 };
  let plain = "";
  const renderers = [
    createPlain((more) => (plain += more)),
    createTty({ write: (t) => screen.write(t), columns: () => 80, rows: () => 24, color: true }, () => clock.now),
  ];
  for (const renderer of renderers) {
    const emit = at(clock, renderer.listener);
    emit(0, { type: "step", id: "a", label: `RUN ${EVIL}`, state: "started" });
    emit(500, { type: "output", id: "a", stream: 1, text: `${EVIL}\n#2 DONE 0.0s\n` });
    emit(900, { type: "bytes", id: "a", label: EVIL, done: 1, total: 2 });
    emit(1000, { type: "note", text: EVIL });
    emit(1100, { type: "step", id: "a", label: "", state: "failed", failure: new Failure("SANDBOX", EVIL) });
    renderer.finish();
  }
  assert.match(plain, /^[\u0020-\u007e\n]*$/);
  assert.ok(plain.includes("\n#1 0.500 #2 DONE 0.0s\n"), "its lines are marked as its own");
  assert.match(screen.text, /^[\u0020-\u007e\n]*$/);
});

test("tty: one region, redrawn in place, at most ten times a second", () => {
  const screen = new Screen();
  const clock = { now: 0 };
  let writes = 0;
  const terminal = {
    write(text: string) {
      writes++;
      screen.write(text);
    },
    columns: () => screen.columns,
    rows: () => screen.rows,
    color: false,
  };
  const renderer = createTty(terminal, () => clock.now);
  const emit = at(clock, renderer.listener);
  emit(0, { type: "step", id: "a", label: "[a 1/1] COPY . /", state: "started" });
  for (let ms = 0; ms < 1000; ms++) emit(ms, { type: "bytes", id: "a", label: "reading", done: ms * 1000, total: 1_000_000 });
  assert.ok(writes <= 11, `${writes} drawings in a second`);
  assert.equal(screen.cursor, false);
  assert.match(
    screen.text,
    /^\[\+\] Building 0\.9s \(0\/1\)\n => \[a 1\/1\] COPY \. \/ +0\.9s\n => => reading \[=+> +\] 9\d\dkB \/ 1MB 1MB\/s, 1s left +0\.9s$/,
  );
  emit(1500, { type: "step", id: "a", label: "", state: "done" });
  emit(1600, { type: "step", id: "b", label: "b", state: "cached" });
  renderer.finish();
  assert.equal(screen.cursor, true);
  assert.equal(screen.colored, false);
  assert.match(screen.text, /^\[\+\] Building 1\.6s \(2\/2\) FINISHED\n => \[a 1\/1\] COPY \. \/ +1\.5s\n => CACHED b +0\.0s$/);
});

test("O06: a window that becomes narrower or has no size at all", () => {
  for (const columns of [0, 1, 2, 9, 30, 79]) {
    const screen = new Screen(80);
    const clock = { now: 0 };
    const renderer = createTty(
      { write: (t) => screen.write(t), columns: () => screen.columns, rows: () => screen.rows, color: true },
      () => clock.now,
    );
    const emit = at(clock, renderer.listener);
    for (let i = 0; i < 40; i++)
      emit(i * 150, { type: "step", id: `s${i}`, label: `[x ${i}/40] COPY 漢字漢字漢字漢字漢字漢字漢字漢字 /`, state: "started" });
    assert.ok(screen.lines.length <= screen.rows + 1, "the region is never higher than the window");
    screen.columns = Math.max(1, columns);
    screen.rows = columns < 9 ? 1 : 24;
    emit(9000, { type: "bytes", id: "s1", label: "reading", done: 1, total: 2 });
    renderer.finish(new Failure("NOT_FOUND", "x"));
    assert.equal(screen.cursor, true);
  }
});

test("bars: nothing in the first second, then a bar, and nothing left at the end", () => {
  const screen = new Screen();
  const clock = { now: 0 };
  const bars = createBars(
    { write: (t) => screen.write(t), columns: () => 80, rows: () => 24, color: false },
    () => {},
    () => clock.now,
  );
  const emit = at(clock, bars.listener);
  emit(10, { type: "bytes", id: "x", label: "layer", done: 1, total: 100 });
  emit(900, { type: "bytes", id: "x", label: "layer", done: 30, total: 100 });
  assert.equal(screen.text, "");
  emit(1100, { type: "bytes", id: "x", label: "layer", done: 50, total: 100 });
  assert.match(screen.text, /^layer \[={10}> {9}\] 50B \/ 100B 45\.9B\/s, 2s left +1\.1s$/);
  bars.finish();
  assert.equal(screen.text, "");
  assert.equal(screen.cursor, true);
  let plain = "";
  const lines = createBars(
    undefined,
    (text) => (plain += text),
    () => clock.now,
  );
  const tell = at(clock, lines.listener);
  for (let ms = clock.now; ms < clock.now + 1; ms++) tell(ms, { type: "bytes", id: "x", label: "layer", done: 1, total: 100 });
  for (let ms = 1101; ms < 12_000; ms += 50) tell(ms, { type: "bytes", id: "x", label: "layer", done: 2, total: 100 });
  assert.ok(plain.split("\n").length <= 5, plain);
  assert.match(plain, /^layer 2B \/ 100B \d+B\/s, \d+s left\n/);
  plain = "";
  for (const id of ["x", "y"]) for (let n = 0; n < 2; n++) tell(12_100, { type: "bytes", id, label: `layer ${id}`, done: 100, total: 100 });
  assert.match(plain, /^layer x 100B in \d+\.\ds(?:, \d+\.\d+B\/s)?\nlayer y 100B in 0\.0s\n$/);
});

test("O07: a line of a megabyte is told in plain mode without loss and without waiting for its end", () => {
  let text = "";
  const renderer = createPlain((more) => (text += more));
  const emit = at({ now: 0 }, renderer.listener);
  for (let i = 0; i < 64; i++) emit(0, { type: "output", id: "a", stream: 1, text: "x".repeat(16 << 10) });
  assert.ok(text.length > 500_000, "it does not pile up");
  renderer.finish();
  assert.equal(text.replaceAll(/[^x]/g, "").length, 1 << 20);
});

test("rawjson: vertexes, statuses, logs, warnings and a failure, each a line of JSON", () => {
  let text = "";
  const renderer = createRawJson((more) => (text += more));
  const emit = at({ now: 0 }, renderer.listener);
  const failure = new Failure("NOT_FOUND", "no", { source: { file: "D", line: 3, endLine: 3 } });
  emit(0, { type: "step", id: "sha256:a", label: EVIL, state: "started" });
  emit(1, { type: "bytes", id: "sha256:a", label: "t", done: 5, total: 5 });
  emit(2, { type: "output", id: "sha256:a", stream: 2, text: "out\n" });
  emit(3, { type: "finding", rule: "R", level: "warning", message: "m", source: { file: "D", line: 1, endLine: 2 } });
  emit(4, { type: "step", id: "sha256:a", label: EVIL, state: "failed", failure });
  renderer.finish(failure);
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(events[0].vertexes[0].name, EVIL);
  assert.deepEqual(events[1].statuses[0], {
    id: "t",
    vertex: "sha256:a",
    name: "t",
    current: 5,
    timestamp: "1970-01-01T00:00:00.001Z",
    started: "1970-01-01T00:00:00.001Z",
    total: 5,
    completed: "1970-01-01T00:00:00.001Z",
  });
  assert.equal(Buffer.from(events[2].logs[0].data, "base64").toString(), "out\n");
  assert.equal(Buffer.from(events[3].warnings[0].short, "base64").toString(), "R: m");
  assert.deepEqual([events[4].vertexes[0].error, events[4].vertexes[0].code], ["no", "NOT_FOUND"]);
  assert.deepEqual(events[5].failure, { code: "NOT_FOUND", message: "no", exit: 1, source: { file: "D", line: 3, endLine: 3 } });
  assert.match(text, /^[\u0020-\u007e\n]*$/);
});

test("--progress: known modes, and BUILDKIT_PROGRESS where none was given", () => {
  assert.equal(progressMode(undefined, {}), "auto");
  assert.equal(progressMode(undefined, { BUILDKIT_PROGRESS: "plain" }), "plain");
  assert.equal(progressMode("tty", { BUILDKIT_PROGRESS: "plain" }), "tty");
  assert.throws(() => progressMode("loud", {}), { code: "USAGE" });
});
