import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { type FlagTable, parseFlags } from "./flags.ts";

const TABLE: FlagTable = {
  flags: [
    { name: "interactive", short: "i", type: "bool", description: "" },
    { name: "tty", short: "t", type: "bool", description: "" },
    { name: "rm", type: "bool", default: "true", description: "" },
    { name: "env", short: "e", type: "list", description: "" },
    { name: "name", type: "string", description: "" },
    { name: "host", type: "csv", description: "" },
    { name: "level", short: "l", type: "int", description: "" },
    { name: "filter", short: "f", type: "map", description: "" },
    { name: "color", type: "optional", bare: "always", default: "auto", description: "" },
  ],
};

type Expected = { args?: string[]; [flag: string]: unknown };

const GOOD: readonly (readonly [string, Expected])[] = [
  ["", { args: [] }],
  ["a b", { args: ["a", "b"] }],
  ["-it", { interactive: true, tty: true }],
  ["-it x", { interactive: true, tty: true, args: ["x"] }],
  ["-i=false -t=1", { interactive: false, tty: true }],
  ["-eA=1", { env: ["A=1"] }],
  ["-e=A=1", { env: ["A=1"] }],
  ["-e A=1 -e B", { env: ["A=1", "B"] }],
  ["-iteA=1", { interactive: true, tty: true, env: ["A=1"] }],
  ["-ite A=1 x", { interactive: true, tty: true, env: ["A=1"], args: ["x"] }],
  ["--env A=1 --env=B=2 --env= x", { env: ["A=1", "B=2", ""], args: ["x"] }],
  ["--rm=false", { rm: false }],
  ["--rm=F x", { rm: false, args: ["x"] }],
  ["--rm false", { rm: true, args: ["false"] }],
  ["", { rm: true, color: "auto" }],
  ["--name a --name b", { name: "b" }],
  ["--name -x", { name: "-x" }],
  ["--name --", { name: "--" }],
  ["--host a,b --host c", { host: ["a", "b", "c"] }],
  ["--level -3", { level: -3 }],
  ["-l3", { level: 3 }],
  ["-l=3", { level: 3 }],
  ["--color x", { color: "always", args: ["x"] }],
  ["--color=never x", { color: "never", args: ["x"] }],
  ["-- -i --name", { interactive: false, args: ["-i", "--name"] }],
  ["a -i -- -t", { interactive: true, tty: false, args: ["a", "-t"] }],
  ["-", { args: ["-"] }],
  ["- -i", { interactive: true, args: ["-"] }],
  ["-f a=b -f c=d=e", { filter: ["a=b", "c=d=e"] }],
  ["a --help --unknown", { help: true }],
  ["-h", { help: true }],
  ["-ih", { interactive: true, help: true }],
];

function split(line: string): string[] {
  return line === "" ? [] : line.split(" ");
}

for (const [line, expected] of GOOD) {
  test(`flags: \`${line}\``, () => {
    const flags = parseFlags(TABLE, split(line));
    for (const [name, value] of Object.entries(expected)) {
      const type = TABLE.flags.find((flag) => flag.name === name)?.type;
      const found =
        name === "args"
          ? flags.args
          : name === "help"
            ? flags.help
            : type === "bool"
              ? flags.bool(name)
              : type === "int"
                ? flags.int(name)
                : type === "string" || type === "optional"
                  ? flags.string(name)
                  : flags.list(name);
      assert.deepEqual(found, value, name);
    }
  });
}

const BAD: readonly (readonly [string, string])[] = [
  ["--nope", "unknown flag: --nope"],
  ["--nope=1", "unknown flag: --nope"],
  ["--__proto__", "unknown flag: --__proto__"],
  ["--constructor=x", "unknown flag: --constructor"],
  ["-x", "unknown shorthand flag: 'x' in -x"],
  ["-ixt", "unknown shorthand flag: 'x' in -xt"],
  ["--=x", "bad flag syntax: --=x"],
  ["---x", "bad flag syntax: ---x"],
  ["--name", "flag needs an argument: --name"],
  ["-e", "flag needs an argument: 'e' in -e"],
  ["-ie", "flag needs an argument: 'e' in -e"],
  ["--tty=2", 'invalid argument "2" for "-t, --tty" flag: strconv.ParseBool: parsing "2": invalid syntax'],
  ["--rm=", 'invalid argument "" for "--rm" flag: strconv.ParseBool: parsing "": invalid syntax'],
  ["--level x", 'invalid argument "x" for "-l, --level" flag: strconv.ParseInt: parsing "x": invalid syntax'],
  ["--level 1e99", 'invalid argument "1e99" for "-l, --level" flag: strconv.ParseInt: parsing "1e99": invalid syntax'],
  ["-f foo", 'invalid argument "foo" for "-f, --filter" flag: bad format of filter (expected name=value)'],
  ["--\u001b[31mred", "unknown flag: --\\x1b[31mred"],
];

for (const [line, message] of BAD) {
  test(`flags refused: ${JSON.stringify(line)}`, () => {
    assert.throws(
      () => parseFlags(TABLE, split(line)),
      (error) => error instanceof Failure && error.code === "USAGE" && error.message === message,
    );
  });
}

test("commands like run leave everything after the first word alone", () => {
  const flags = parseFlags({ ...TABLE, stopAtFirst: true }, split("-it image -e --nope -- x"));
  assert.deepEqual(flags.args, ["image", "-e", "--nope", "--", "x"]);
  assert.equal(flags.bool("interactive"), true);
  assert.deepEqual(flags.list("env"), []);
});

test("asking for a flag that is not in the table is a bug of ours", () => {
  assert.throws(() => parseFlags(TABLE, []).bool("nope"), /internal/);
});
