import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../kit/error.ts";
import { compileTemplate } from "./execute.ts";
import { Nil, Row } from "./value.ts";

/** A part of what `docker inspect` shows of a small image; the answers below were recorded from docker 28.5.2. */
const LAYER = "sha256:c7e42e7f202c4fb1a581fb8e2b662bbe8205cc3e53b3a6df19d659090e651da5";
const CONFIG = {
  User: "1:2",
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  Entrypoint: ["/a", "&&<>"],
  Cmd: new Nil("[]"),
  OnBuild: ["RUN x"],
  Labels: { x: "y" },
  Volumes: { "/v": {} },
  ExposedPorts: { "80/tcp": new Row("struct", "struct {}", {}) },
};
const IMAGE = new Row("struct", "image.InspectResponse", {
  Id: "sha256:81fc831e2318a3610169c08c613347436f2f15049e52943fa9cb67b5576c7a46",
  Size: 6,
  Os: "linux",
  Created: "1970-01-01T00:00:00Z",
  Config: new Row("struct", "container.Config", CONFIG),
  RootFS: new Row("struct", "image.RootFS", { Type: "layers", Layers: [LAYER] }),
});

const GOOD: readonly (readonly [string, string])[] = [
  ['{{index .Config.Labels "x"}}|{{index .Config.Labels "nope"}}', "y|"],
  ["{{.Config.Labels.nope}}", "<no value>"],
  ["{{range $k,$v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "x=y;"],
  ["{{range .RootFS.Layers}}{{println .}}{{end}}", `${LAYER}\n`],
  [
    "{{.Config.Entrypoint}} {{json .Config.Entrypoint}} {{.Config.OnBuild}} {{.Config.Cmd}} {{json .Config.Cmd}}",
    '[/a &&<>] ["/a","&&<>"] [RUN x] [] null',
  ],
  ['{{len .RootFS.Layers}} {{.Size}} {{printf "%d" .Size}} {{eq .Os "linux"}} {{if ne .Os "x"}}a{{else}}b{{end}}', "1 6 6 true a"],
  ['{{.Id | printf "%.10s"}} {{slice .Id 7 19}}', "sha256:81f 81fc831e2318"],
  ["{{with .Config}}{{.User}}{{end}}", "1:2"],
  ["{{.Config.ExposedPorts}} {{json .Config.ExposedPorts}}", 'map[80/tcp:{}] {"80/tcp":{}}'],
  ["{{/* c */ -}}  x  {{- 1 -}}  y", "x1y"],
  ['{{printf "%s %v %q %5d|%-5d|" .Os .Os .Os 3 3}}', 'linux linux "linux"     3|3    |'],
  ['{{title "hello world"}} {{upper "x"}} {{split "a,b" ","}}', "Hello World X [a b]"],
  ['{{join .Config.Env ":"}}', "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  ['{{and .Os ""}} {{or "" .Os}} {{not true}}', " linux false"],
  ['{{truncate .Id 5}} {{pad "x" 2 2}}|', "sha25   x  |"],
  ["{{.Created}} {{.RootFS.Type}} {{ .RootFS }}", `1970-01-01T00:00:00Z layers {layers [${LAYER}]}`],
  ['{{print 1 2 "a" 3}} {{println 1 "a"}}', "1 2a3 1 a\n"],
  ["{{range $i,$e := .Config.Entrypoint}}{{if $i}},{{end}}{{$e}}{{end}}", "/a,&&<>"],
  ["{{lt 1 2}} {{1.5}} {{0x10}} {{true}}", "true 1.5 16 true"],
  ["{{ .Id -}}   tail", "sha256:81fc831e2318a3610169c08c613347436f2f15049e52943fa9cb67b5576c7a46tail"],
  ["{{(index .RootFS.Layers 0)}}", LAYER],
  ["{{(.Config).User}} {{.Config.User}}", "1:2 1:2"],
  ["{{range .Config.Cmd}}x{{else}}none{{end}}", "none"],
  ["{{range .Config.Entrypoint}}{{.}}{{break}}{{end}}", "/a"],
  ['{{range .Config.Entrypoint}}{{if eq . "/a"}}{{continue}}{{end}}{{.}}{{end}}', "&&<>"],
  ["{{$x := .Os}}{{if true}}{{$x = .Id}}{{end}}{{len $x}}", "71"],
  ['{{if false}}a{{else if eq .Os "linux"}}b{{else}}c{{end}}', "b"],
  ["{{.Id | len | printf `%03d`}}", "071"],
  ['{{"a\\tb\\u00e9"}}', "a\tbé"],
  ["{{$größe := 1}}{{$größe}}", "1"],
  ["plain", "plain"],
  ["", ""],
  ["{{printf `%s %d` 1 `x`}}", "%!s(int=1) %!d(string=x)"],
  ["{{printf `%s`}} {{printf `x` 1}}", "%!s(MISSING) x%!(EXTRA int=1)"],
];

for (const [template, expected] of GOOD) {
  test(`template ${JSON.stringify(template)}`, () => {
    assert.equal(compileTemplate(template).execute(IMAGE), expected);
  });
}

const PREFIX = "template parsing error: template: :1";
const BAD: readonly (readonly [string, string])[] = [
  ["{{foo .}}", `${PREFIX}: function "foo" not defined`],
  ["{{.Id", `${PREFIX}: unclosed action`],
  ["{{if}}", `${PREFIX}: missing value for if`],
  ["{{if .Id}}", `${PREFIX}: unexpected EOF`],
  ["{{end}}", `${PREFIX}: unexpected {{end}}`],
  ["{{else}}", `${PREFIX}: unexpected {{else}}`],
  ["{{.Id | nope}}", `${PREFIX}: function "nope" not defined`],
  ["{{$x := .Id}}{{$x}}{{$y}}", `${PREFIX}: undefined variable "$y"`],
  ["{{1 | 2}}", `${PREFIX}: non executable command in pipeline stage 2`],
  ["{{range .Config.Entrypoint}}{{break}}{{end}}{{break}}", `${PREFIX}: {{break}} outside {{range}}`],
  ['{{"unterminated}}', `${PREFIX}: unterminated quoted string`],
  ["{{.Nope}}", `${PREFIX}:2: executing "" at <.Nope>: map has no entry for key "Nope"`],
  ["{{.Config.Nope}}", `${PREFIX}:9: executing "" at <.Config.Nope>: map has no entry for key "Nope"`],
  ["{{range .Nope}}x{{end}}", `${PREFIX}:8: executing "" at <.Nope>: map has no entry for key "Nope"`],
  ["{{index .RootFS.Layers 5}}", `${PREFIX}:2: executing "" at <index .RootFS.Layers 5>: error calling index: index out of range: 5`],
  ['{{"a" .Id}}', `${PREFIX}:2: executing "" at <"a">: can't give argument to non-function "a"`],
  ["{{nil}}", `${PREFIX}:2: executing "" at <nil>: nil is not a command`],
  ["{{.Id | truncate}}", `${PREFIX}:8: executing "" at <truncate>: wrong number of args for truncate: want 2 got 1`],
];

for (const [template, expected] of BAD) {
  test(`template refused: ${JSON.stringify(template)}`, () => {
    assert.throws(
      () => compileTemplate(template).execute(IMAGE),
      (error) => error instanceof Failure && error.exit === 1 && error.message === expected,
    );
  });
}

test("a line of a list says its own type when it has no such field", () => {
  const row = new Row("context", "*formatter.imageContext", { ID: "x" });
  assert.throws(() => compileTemplate("{{.Foo}}").execute(row), {
    message: `${PREFIX}:2: executing "" at <.Foo>: can't evaluate field Foo in type *formatter.imageContext`,
  });
});

test("P15: names that mean something to JavaScript are names like others", () => {
  const labels = JSON.parse('{"__proto__": "p", "constructor": "c", "toString": "t"}') as Record<string, unknown>;
  const data = new Row("struct", "x", { Labels: labels });
  assert.equal(compileTemplate('{{index .Labels "__proto__"}}{{.Labels.constructor}}{{.Labels.toString}}').execute(data), "pct");
  assert.equal(compileTemplate("{{.Labels.valueOf}}").execute(data), "<no value>");
  assert.equal(compileTemplate("{{json .Labels}}").execute(data), '{"__proto__":"p","constructor":"c","toString":"t"}');
  assert.throws(() => compileTemplate("{{.constructor}}").execute(data), /no entry for key/);
  assert.throws(() => compileTemplate("{{toString}}"), /function "toString" not defined/);
  assert.throws(() => compileTemplate("{{__proto__}}"), /function "__proto__" not defined/);
});

test("a template cannot take all memory or all time", () => {
  const deep = "(".repeat(5000) + "1" + ")".repeat(5000);
  assert.throws(() => compileTemplate(`{{${deep}}}`), /nests too deeply/);
  assert.throws(() => compileTemplate("{{if 1}}".repeat(5000) + "{{end}}".repeat(5000)), /nests too deeply/);
  const large = "{{range 1000000}}{{printf `%9999d` 1}}{{end}}";
  assert.throws(
    () => compileTemplate(large).execute({}),
    (error) => error instanceof Failure && error.code === "LIMIT",
  );
});
