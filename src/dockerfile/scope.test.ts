import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import type { Program } from "./command.ts";
import { expandWord } from "./expand.ts";
import { parseDockerfile } from "./parse.ts";
import { toProgram } from "./program.ts";
import { DEFAULT_PATH, globalScope, proxyVariables, StageScope, unusedBuildArgs } from "./scope.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const read = (text: string): Program => toProgram(parseDockerfile(text, "Dockerfile"));
const given = (args: Record<string, string> = {}): Map<string, string> => new Map(Object.entries(args));

/** What USER says at the end of each stage. */
function users(text: string, args: Record<string, string> = {}): string[] {
  const program = read(text);
  assert.deepEqual(program.errors, []);
  const global = globalScope(program, given(args), { os: "linux", architecture: "arm", variant: "v7" }, amd64);
  const scopes = new Map<string, StageScope>();
  const configs = new Map<string, string[]>();
  const seen: string[] = [];
  for (const stage of program.stages) {
    const base = expandWord(stage.base, global.lookup).value;
    const env = [...(configs.get(base) ?? [`PATH=${DEFAULT_PATH}`])];
    const scope = new StageScope(global, env, scopes.get(base));
    const expand = (word: string): string => expandWord(word, scope.lookup).value;
    for (const command of stage.commands) {
      if (command.kind === "arg") for (const { key, value } of command.args) scope.declareArg(key, value);
      if (command.kind === "env")
        for (const [key, value] of command.pairs.map((pair) => [expand(pair.key), expand(pair.value)] as const)) {
          scope.setEnv(key, value);
          env.push(`${key}=${value}`);
        }
      if (command.kind === "user") seen.push(expand(command.user));
    }
    scopes.set(stage.name ?? String(stage.index), scope);
    configs.set(stage.name ?? String(stage.index), env);
  }
  return seen;
}

test("ARG and ENV share one set of names and are seen as docker 28.5.2 sees them", () => {
  const text = `ARG G=global
ARG G2=$G-x
ARG UN
FROM scratch AS a
ARG G
ARG G2
ARG UN
ARG L=local
ENV E=env
ARG E=argval
ARG NOVAL
ENV NOVAL2=x
ARG NOVAL2
ARG TARGETARCH
ARG HTTP_PROXY
ARG SELF=$SELF-s
ARG SELF=$SELF-t
ARG K1=1 K2=$K1-2
USER [$G][$G2][$UN][$L][$E][$PATH][$TARGETARCH][$TARGETOS][$HTTP_PROXY][$http_proxy][$NOVAL][$NOVAL2][$SELF][$K2]
FROM a AS b
ARG TARGETPLATFORM=mine
USER [$G][$G2][$UN][$L][$E][$TARGETPLATFORM][$TARGETARCH][$SELF]
FROM a
ENV X=1 Y=$X
ENV X=2
USER [$X][$Y][$E]
`;
  assert.deepEqual(users(text, { HTTP_PROXY: "http://p", UN: "un" }), [
    `[global][global-x][un][local][argval][${DEFAULT_PATH}][arm][][http://p][][][x][-s-t][1-2]`,
    "[global][global-x][un][local][env][mine][arm][-s-t]",
    "[2][][env]",
  ]);
});

test("a build argument wins over defaults everywhere, also over platform arguments", () => {
  const text = "ARG A=1\nARG B=$A\nFROM scratch\nARG A=2\nARG B\nARG TARGETPLATFORM\nARG C=${A}c\nUSER $A-$B-$C-$TARGETPLATFORM\n";
  assert.deepEqual(users(text, { A: "9" }), ["9-9-9c-linux/arm/v7"]);
  assert.deepEqual(users(text, { TARGETPLATFORM: "x", C: "y" }), ["2-1-y-x"]);
});

test("global ARGs know what they hang on", () => {
  const global = globalScope(read("ARG A=1\nARG B=$A$NONE\nARG B=${B}x\nARG C=$TARGETOS\nFROM scratch\n"), given(), amd64, amd64);
  const deps = Object.fromEntries([...global.args].map(([key, arg]) => [key, [...arg.deps]]));
  assert.deepEqual(deps, { A: [], B: ["A"], C: ["TARGETOS"] });
  assert.equal(global.lookup("TARGETSTAGE"), "default");
});

test("a broken global ARG names its line", () => {
  assert.throws(
    () => globalScope(read("ARG A\nARG B=${A:?missing}\nFROM scratch\n"), given(), amd64, amd64),
    (error) => error instanceof Failure && error.source?.line === 2 && error.message === 'failed to process "${A:?missing}": A: missing',
  );
});

test("proxies reach a RUN under both cases, and unused build arguments are found", () => {
  assert.deepEqual(
    [...proxyVariables(given({ https_proxy: "p", x: "y" }))],
    [
      ["HTTPS_PROXY", "p"],
      ["https_proxy", "p"],
    ],
  );
  const program = read("ARG A\nFROM scratch\nARG B=1\n");
  const args = given({ A: "", B: "", Z: "", Y: "", no_proxy: "", TARGETOS: "", SOURCE_DATE_EPOCH: "0", BUILDKIT_SYNTAX: "x" });
  assert.deepEqual(unusedBuildArgs(program, args), ["Y", "Z"]);
});

test("P15: variables called like members of objects are plain data", () => {
  const text = "FROM scratch\nARG __proto__=p\nENV constructor=c\nARG toString\nUSER $__proto__-$constructor-$toString-$valueOf\n";
  assert.deepEqual(users(text), ["p-c--"]);
  assert.equal(({} as Record<string, unknown>)["p"], undefined);
});
