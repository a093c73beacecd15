import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Command } from "./command.ts";
import { parseMount } from "./commands/mount.ts";
import { csvFields } from "./csv.ts";
import { parseDuration } from "./duration.ts";
import { parseDockerfile } from "./parse.ts";
import { portProblem } from "./port.ts";
import { parseTrigger, toProgram } from "./program.ts";
import { signalProblem } from "./signal.ts";
import { didYouMean } from "./suggest.ts";

const program = (text: string) => toProgram(parseDockerfile(text, "Dockerfile"));

/** The only command below FROM, without where it came from. */
function command(text: string): object {
  const { errors, stages } = program(`FROM scratch AS here\n${text}\n`);
  assert.deepEqual(errors, []);
  const commands = stages.flatMap((stage) => stage.commands);
  assert.equal(commands.length, 1);
  const { instruction, span, ...body } = commands[0] as Command;
  assert.equal(instruction.span, span);
  return body;
}

const wrong = (text: string) =>
  program(`FROM scratch\n${text}\n`).errors.map((error) => error.message.replace(/^dockerfile parse error on /, ""));

test("stages: numbers, names in lower case, platform, and ARG before the first FROM", () => {
  const { globals, stages } = program("ARG A=1 B\nFROM base:$A AS One\nENV a=b\nFROM --platform=linux/arm64 one\nCMD x\n");
  assert.deepEqual(
    globals.map((one) => one.args),
    [[{ key: "A", value: "1" }, { key: "B" }]],
  );
  assert.deepEqual(
    stages.map(({ index, name, base, platform, commands }) => ({ index, name, base, platform, kinds: commands.map((one) => one.kind) })),
    [
      { index: 0, name: "one", base: "base:$A", platform: undefined, kinds: ["env"] },
      { index: 1, name: undefined, base: "one", platform: "linux/arm64", kinds: ["cmd"] },
    ],
  );
});

describe("commands", () => {
  const cases: readonly (readonly [string, object])[] = [
    ["MAINTAINER a b", { kind: "maintainer", name: "a b" }],
    ["WORKDIR /a b", { kind: "workdir", path: "/a b" }],
    ["USER a:b", { kind: "user", user: "a:b" }],
    ["STOPSIGNAL SIGINT", { kind: "stopsignal", signal: "SIGINT" }],
    ["EXPOSE 90 80/udp", { kind: "expose", ports: ["80/udp", "90"] }],
    ['VOLUME [" /a ", "/b"]', { kind: "volume", paths: ["/a", "/b"] }],
    ['SHELL ["a", "b"]', { kind: "shell", words: ["a", "b"] }],
    ["CMD a  b", { kind: "cmd", line: { shell: true, words: ["a  b"], heredocs: [] } }],
    ['ENTRYPOINT ["a"]', { kind: "entrypoint", line: { shell: false, words: ["a"], heredocs: [] } }],
    ["CMD", { kind: "cmd", line: { shell: true, words: [""], heredocs: [] } }],
    [
      'ENV a=b "c d"=e\\ f',
      {
        kind: "env",
        pairs: [
          { key: "a", value: "b", old: false },
          { key: '"c d"', value: "e\\ f", old: false },
        ],
      },
    ],
    ["LABEL a b c", { kind: "label", pairs: [{ key: "a", value: "b c", old: true }] }],
    ["ARG a b= c=d=e", { kind: "arg", args: [{ key: "a" }, { key: "b", value: "" }, { key: "c", value: "d=e" }] }],
    ["HEALTHCHECK NONE", { kind: "healthcheck" }],
    [
      "HEALTHCHECK --interval=1m30s --retries=2 --timeout=0s CMD a b",
      { kind: "healthcheck", line: { shell: true, words: ["a b"], heredocs: [] }, interval: 90_000_000_000, retries: 2 },
    ],
    ["ONBUILD  RUN a && b", { kind: "onbuild", expression: "RUN a && b" }],
    ["ONBUILD COPY <<-A /x\n\ta\n\tA", { kind: "onbuild", expression: "COPY <<-A /x\n\ta\nA" }],
    [
      "COPY --from=a --chown=1:2 --chmod=644 --link --parents --exclude=b --exclude=c d e f/",
      {
        kind: "copy",
        sources: ["d", "e"],
        contents: [],
        dest: "f/",
        from: "a",
        chown: "1:2",
        chmod: "644",
        link: true,
        parents: true,
        excludes: ["b", "c"],
      },
    ],
    [
      "ADD --keep-git-dir --unpack=false a b",
      {
        kind: "add",
        sources: ["a"],
        contents: [],
        dest: "b",
        link: false,
        parents: false,
        excludes: [],
        keepGitDir: true,
        unpack: false,
      },
    ],
    [
      "COPY a <<-B <<'C' /d/\n\tx\n\tB\n\ty\nC",
      {
        kind: "copy",
        sources: ["a"],
        contents: [
          { path: "B", content: "x\n", expand: true },
          { path: "C", content: "\ty\n", expand: false },
        ],
        dest: "/d/",
        link: false,
        parents: false,
        excludes: [],
      },
    ],
    [
      "RUN --network=none --security=insecure --device=name=v/c=d,required make",
      {
        kind: "run",
        line: { shell: true, words: ["make"], heredocs: [] },
        mounts: [],
        network: "none",
        security: "insecure",
        devices: [{ name: "v/c=d", required: true }],
      },
    ],
  ];
  for (const [text, body] of cases) test(text.split("\n")[0], () => assert.deepEqual(command(text), body));
});

describe("RUN --mount", () => {
  test("every type with its options and defaults", () => {
    const read = (text: string) => {
      const { text: given, ...rest } = parseMount(text);
      assert.equal(given, text);
      return rest;
    };
    assert.deepEqual(read("target=."), { type: "bind", target: ".", readonly: true });
    assert.deepEqual(read("type=bind,from=a,src=b,dst=/c,rw"), { type: "bind", from: "a", source: "b", target: "/c", readonly: false });
    assert.deepEqual(read("type=cache,target=/c,ro=true,sharing=private,uid=1,gid=2,mode=1777"), {
      type: "cache",
      target: "/c",
      readonly: true,
      sharing: "private",
      uid: 1,
      gid: 2,
      mode: 0o1777,
    });
    assert.deepEqual(read("type=tmpfs,destination=/t,size=1.5g"), { type: "tmpfs", target: "/t", readonly: false, size: 1_610_612_736 });
    assert.deepEqual(read("type=secret,id=a,env=B,required=0"), { type: "secret", id: "a", env: "B", required: false, readonly: true });
    assert.deepEqual(read("TYPE=SSH,required"), { type: "ssh", required: true, readonly: true });
    assert.deepEqual(read('"target=/a,b"'), { type: "bind", target: "/a,b", readonly: true });
  });

  test("options with variables wait until their values are known", () => {
    assert.deepEqual(parseMount("type=cache,target=/$a,uid=$b"), {
      type: "cache",
      target: "/$a",
      text: "type=cache,target=/$a,uid=$b",
      variables: true,
    });
    const known = parseMount("type=cache,target=/$a,uid=$b", (word) => word.replace("$a", "x").replace("$b", "7"));
    assert.deepEqual([known.target, known.uid, known.variables], ["/x", 7, undefined]);
    assert.throws(() => parseMount("type=$a", () => "foo"), /unsupported mount type "foo"/);
  });
});

describe("what is wrong is said before anything runs", () => {
  test("P13: stage names and numbers", () => {
    assert.deepEqual(wrong("FROM scratch AS scratch"), ["line 2: invalid name for build stage: 'scratch' is a reserved name"]);
    assert.deepEqual(wrong("COPY --from=0 a b"), ["line 2: circular dependency detected on stage: 0"]);
    assert.deepEqual(wrong("COPY --from=3 a b"), ["line 2: invalid stage index 3"]);
    assert.deepEqual(wrong("COPY --from=0x0 a b"), [], "not a number to docker either");
    assert.equal(program("FROM scratch:latest\n").errors[0]?.code, "RESERVED");
    assert.equal(program("FROM scratch\nCOPY --from=scratch a b\n").errors[0]?.code, "RESERVED");
    assert.deepEqual(wrong("RUN --mount=from=scratch,target=/x,rw y"), [], "an empty mount is of use");
  });

  test("P14: one message for one mistake, in the order of lines", () => {
    assert.deepEqual(wrong("FORM a\nENV a\nCOPY --form=a b c\nCMD [1]"), [
      "line 2: unknown instruction: FORM (did you mean FROM?)",
      "line 3: ENV must have two arguments",
      "line 4: unknown flag: --form (did you mean from?)",
      "line 5: when using JSON array syntax, arrays must be comprised of strings only",
    ]);
    assert.deepEqual(
      program("ENV a=b\nRUN x\nFROM a b c d\nRUN y\n").errors.map((error) => error.source?.line),
      [1, 3],
    );
  });

  test("P17: values out of range, where no variable is involved", () => {
    for (const text of ["EXPOSE 70000", "USER 4294967296", "USER -1", "STOPSIGNAL 999", "COPY --chmod=99999 a b"]) {
      assert.equal(wrong(text).length, 1, text);
    }
    for (const text of ["EXPOSE $P", "USER $U", 'USER "0"', "STOPSIGNAL ${S}", "COPY --chmod=$M a b", "USER 2147483647"]) {
      assert.deepEqual(wrong(text), [], text);
    }
  });

  test("P18: triggers that may not be", () => {
    for (const text of ["ONBUILD ONBUILD RUN x", "ONBUILD FROM scratch", "ONBUILD MAINTAINER x", "ONBUILD COPY x", "ONBUILD FOO"]) {
      assert.equal(wrong(text).length, 1, text);
    }
  });

  test("P19: mounts", () => {
    for (const mount of [
      "type=foo",
      "target=/",
      "target=/a/..",
      "target=..",
      "id=..,target=/a",
      "target=/a,dst=/b",
      "type=cache,uid=x",
      "",
    ]) {
      assert.throws(() => parseMount(mount), { name: "Error" }, mount);
    }
  });
});

test("a trigger of a base image becomes a command at the line of FROM", () => {
  const span = { file: "Dockerfile", line: 4, endLine: 4 };
  const read = parseTrigger("COPY <<E /x\na\nE", span);
  assert.equal(read.span, span);
  assert.deepEqual(read.kind === "copy" && read.contents, [{ path: "E", content: "a\n", expand: true }]);
  for (const text of ["", "FROM x", "ONBUILD RUN x", "COPY a", "RUN <<E", "XYZ"]) {
    assert.throws(() => parseTrigger(text, span), { name: "Failure", code: "SYNTAX", source: span }, text);
  }
});

test("durations are read as Go reads them", () => {
  assert.equal(parseDuration("1h2m3.5s"), 3_723_500_000_000);
  assert.equal(parseDuration("0"), 0);
  assert.equal(parseDuration("-1.5us"), -1_500);
  assert.equal(parseDuration(".5ms"), 500_000);
  assert.equal(parseDuration("1\u00b5s"), 1_000);
  for (const text of ["", "1", "s", "1d", "1s2", ".s", "1e3s", "1 s", "9999999999h", "1".repeat(300)])
    assert.throws(() => parseDuration(text));
});

test("ports, signals, fields and suggestions", () => {
  for (const good of ["65535", "8000-8002/UDP", "[::1]:80:90", "0", "080", "80/"]) assert.equal(portProblem(good), undefined, good);
  for (const bad of ["65536", "2-1", "", "-1", "1-", "a", "1/x"]) assert.notEqual(portProblem(bad), undefined, bad);
  assert.match(portProblem("1/x") ?? "", /invalid proto: x/);
  for (const good of ["SIGTERM", "term", "15", "SIGRTMIN+15", "RTMAX-1"]) assert.equal(signalProblem(good), undefined, good);
  for (const bad of ["", "0", "65", "SIG", "FOO", "RTMIN+16"]) assert.notEqual(signalProblem(bad), undefined, bad);
  assert.deepEqual(csvFields('a,"b,""c",d='), ["a", 'b,"c', "d="]);
  for (const bad of ['a"b', '"a', '"a"b']) assert.throws(() => csvFields(bad), bad);
  assert.equal(didYouMean("COPPY", ["ADD", "COPY"]), " (did you mean COPY?)");
  assert.equal(didYouMean("Coppy", ["ADD", "COPY"]), " (did you mean copy?)");
  assert.equal(didYouMean("x".repeat(100_000), ["COPY"]), "");
});
