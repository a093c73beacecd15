import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Failure } from "../kit/error.ts";
import { parseRecipe, RECIPE_KEYS } from "./recipe-file.ts";

const read = (text: string) => parseRecipe(text, "recipe.yaml");

async function refused(text: string, message: RegExp): Promise<void> {
  await assert.rejects(read(text), (error) => {
    assert(error instanceof Failure && error.code === "USAGE", String(error));
    assert.match(error.message, message);
    return true;
  });
}

test("a recipe is read with everything in it", async () => {
  const recipe = await read(`
from: nought/static
suite: bookworm
packages: [curl, libpq5=15]
layers: 2
exclude: [/usr/share/x, "!usr/share/x/y"]
users: [{name: app, uid: 1001, home: /app}]
groups: [{name: www, gid: 33, members: [app]}]
files:
  - {path: /etc/x, text: "hi", mode: "0640", gid: 33}
  - {path: /etc/y/, link: x}
  - {path: /data, directory: true, mode: 0o700}
user: 1001
env: {A: b, N: 1}
entrypoint: [/bin/x]
cmd: [-v]
workdir: /app
labels: {a.b: c}
ports: [80, 53/udp]
stop-signal: SIGINT
annotations: {x: y}
`);
  const stage = recipe.stages.at(-1);
  assert.equal(recipe.suite, "bookworm");
  assert.equal(recipe.stages.length, 2);
  assert.deepEqual(stage?.packages, ["curl", "libpq5=15"]);
  assert.equal(stage?.layers, 2);
  assert.deepEqual(stage?.exclude?.slice(-2), ["usr/share/x", "!usr/share/x/y"]);
  assert.deepEqual(stage?.files?.[0], { path: "/etc/x", mode: 0o640, gid: 33, bytes: Buffer.from("hi") });
  assert.deepEqual(stage?.files?.[1], { path: "/etc/y", link: "x" });
  assert.deepEqual(stage?.files?.[2], { path: "/data", directory: true, mode: 0o700 });
  assert.equal(recipe.config.user, "1001");
  assert.deepEqual(recipe.config.env?.["A"], "b");
  assert.deepEqual(recipe.config.env?.["N"], "1");
  assert(recipe.config.env?.["PATH"]?.includes("/usr/bin"));
  assert.deepEqual(recipe.config.ports, ["80/tcp", "53/udp"]);
});

test("stages are read one by one", async () => {
  const { stages } = await read("stages:\n  - title: low\n    packages: [a]\n  - packages: [b]\n    documentation: true\n");
  assert.deepEqual(
    stages.map(({ title, packages }) => `${title}: ${packages.join(" ")}`),
    ["low: a", "layer 2: b"],
  );
  assert.deepEqual(stages[1]?.exclude, []);
});

test("mistakes are told with their line", async () => {
  await refused("packages: [a]\npackges: [b]\n", /recipe.yaml:2: the recipe has no "packges"/);
  await refused("packages: a\n", /:1: packages must be a list/);
  await refused("packages: [[a]]\n", /packages\[1\] must be a text/);
  await refused("packages: [a]\nusers: [{uid: 1}]\n", /:2: users\[1\] needs "name"/);
  await refused("packages: [a]\nusers: [{name: x, uid: -1}]\n", /uid must be a whole number/);
  await refused('packages: [a]\nusers: [{name: "a b", uid: 1}]\n', /:2: name "a b" cannot be the name of a user/);
  await refused("packages: [a]\nfiles: [{path: x, text: y}]\n", /path must be an absolute path/);
  await refused("packages: [a]\nfiles: [{path: /a/../b, text: y}]\n", /absolute path/);
  await refused("packages: [a]\nfiles: [{path: /a, text: y, link: z}]\n", /one of text, source, link and directory/);
  await refused("packages: [a]\nfiles: [{path: /a, text: y, mode: '99'}]\n", /octal/);
  await refused("packages: [a]\nexclude: ['[']\n", /:2: exclude/);
  await refused("packages: [a]\nneeds: [b]\nlayers: 2\n", /layers cannot be more than 1/);
  await refused("packages: [a]\nlayers: 0\n", /whole number from 1 to 100/);
  await refused("packages: [a]\nfiles: [{path: /a, source: none.txt}]\n", /none.txt: there is no such file/);
  await refused("from: nought/nothing\n", /none of the embedded images/);
  await refused("stages: [{packages: [a]}]\npackages: [b]\n", /belongs into one of the stages/);
  await refused("suite: x\n", /no packages, files or users/);
  await refused("packages: [a\n", /recipe.yaml:\d+: /);
  await refused("a: 1\na: 2\n", /recipe.yaml:2: /);
  await refused("packages: &x [a]\nassume: *x\n", /assume must be a list/);
  await refused("- a\n", /must be a map/);
  await refused("", /must be a map/);
});

test("the schema for editors has the keys that the reader knows", () => {
  const schema = JSON.parse(readFileSync(new URL("../../docs/schema/recipe.json", import.meta.url), "utf8"));
  assert.deepEqual(Object.keys(schema.properties).sort(), [...RECIPE_KEYS].sort());
  assert.equal(schema.additionalProperties, false);
});
