import assert from "node:assert/strict";
import { test } from "node:test";
import { type ListForm, renderList } from "./list.ts";

const FORM: ListForm = {
  columns: "{{.Repository}}\t{{.Tag}}\t{{.ID}}",
  quiet: "{{.ID}}",
  type: "*formatter.imageContext",
  headers: { Repository: "REPOSITORY", Tag: "TAG", ID: "IMAGE ID" },
};
const ROWS = [
  { Repository: "clip", Tag: "2", ID: "3968f112f7e5" },
  { Repository: "<none>", Tag: "<none>", ID: "1b80e7272cf7" },
];

test("a table has docker's columns: at least ten wide, three blanks between, the last not padded", () => {
  assert.equal(
    renderList(FORM, ROWS, {}),
    ["REPOSITORY   TAG       IMAGE ID", "clip         2         3968f112f7e5", "<none>       <none>    1b80e7272cf7", ""].join("\n"),
  );
  assert.equal(renderList(FORM, [], {}), "REPOSITORY   TAG       IMAGE ID\n");
  assert.equal(renderList(FORM, [], { format: "table" }), "REPOSITORY   TAG       IMAGE ID\n");
});

test("table TEMPLATE takes its headers from the template, functions and backslash escapes included", () => {
  assert.equal(
    renderList(FORM, ROWS, { format: "table {{.ID}}\\t{{upper .Tag}}|{{json .Repository}}" }),
    ["IMAGE ID       TAG|REPOSITORY", '3968f112f7e5   2|"clip"', '1b80e7272cf7   <NONE>|"<none>"', ""].join("\n"),
  );
});

test("json is one object a line, keys sorted, <>& escaped as docker does", () => {
  assert.equal(
    renderList(FORM, ROWS, { format: "json" }),
    '{"ID":"3968f112f7e5","Repository":"clip","Tag":"2"}\n{"ID":"1b80e7272cf7","Repository":"\\u003cnone\\u003e","Tag":"\\u003cnone\\u003e"}\n',
  );
  assert.equal(renderList(FORM, ROWS, { format: "{{json .}}" }), renderList(FORM, ROWS, { format: "json" }));
  assert.equal(renderList(FORM, [], { format: "json" }), "");
});

test("-q prints IDs alone, and a template of the user's own wins over it", () => {
  assert.equal(renderList(FORM, ROWS, { quiet: true }), "3968f112f7e5\n1b80e7272cf7\n");
  assert.equal(renderList(FORM, ROWS, { quiet: true, format: "{{.Tag}}" }), "2\n<none>\n");
});

test("O01: what could steer a terminal is escaped in tables, templates and JSON", () => {
  const evil = [{ Repository: "\u001b[2Jx\u009b31m\u202ey\nz\\", Tag: "a\tb", ID: "\rc\u0007" }];
  const safe = /^[\u0020-\u007e\n]*$/;
  for (const format of [undefined, "{{.Repository}} {{.Tag}} {{.ID}}", "table {{.Repository}}\t{{.ID}}", "json", "{{json .}}"]) {
    const text = renderList(FORM, evil, { format });
    assert.match(text, safe, format);
    assert.equal(text.split("\n").length, format === undefined || format.startsWith("table") ? 3 : 2);
  }
  assert.equal(renderList(FORM, evil, { format: "{{.Repository}}" }), "\\x1b[2Jx\\x9b31m\\u{202e}y\\nz\\\n");
});
