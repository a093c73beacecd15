import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentOf } from "./environment.ts";
import { resolveUser } from "./user.ts";

const files = {
  passwd:
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\napp:x:0:0::/evil:\n1234:x:0:0::/evil:/bin/sh\nnohome:x:7:7:::\n",
  group: "root:x:0:root\napp:x:1001:\nweb:x:2000:other,app\nmail:x:8:app\n",
};

test("names, numbers and pairs as docker resolves them", () => {
  const cases: [string, { uid: number; gid: number; groups: number[]; home: string }][] = [
    ["", { uid: 0, gid: 0, groups: [], home: "/root" }],
    ["app", { uid: 1000, gid: 1001, groups: [2000, 8], home: "/home/app" }],
    ["1000", { uid: 1000, gid: 1001, groups: [2000, 8], home: "/home/app" }],
    ["app:web", { uid: 1000, gid: 2000, groups: [], home: "/home/app" }],
    ["app:77", { uid: 1000, gid: 77, groups: [], home: "/home/app" }],
    ["4321", { uid: 4321, gid: 0, groups: [], home: "/" }],
    ["4321:5", { uid: 4321, gid: 5, groups: [], home: "/" }],
    ["nohome", { uid: 7, gid: 7, groups: [], home: "/" }],
    [":web", { uid: 0, gid: 2000, groups: [], home: "/root" }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(resolveUser(text, files), expected, text);
  assert.deepEqual(resolveUser("app", files, ["mail", "99"]).groups, [2000, 8, 8, 99]);
});

test("X14: never root by accident", () => {
  assert.equal(resolveUser("1234", files).uid, 1234, "a user named as a number");
  assert.throws(() => resolveUser("nobody", files), { code: "NOT_FOUND", message: /unable to find user nobody/ });
  assert.throws(() => resolveUser("app:nogroup", files), { code: "NOT_FOUND", message: /unable to find group nogroup/ });
  for (const text of ["4294967296", "4294967295", "99999999999999999999"])
    assert.throws(() => resolveUser(text, files), { code: "NOT_FOUND" }, text);
  assert.throws(() => resolveUser("root", {}), { code: "NOT_FOUND" });
  assert.equal(resolveUser("0", {}).uid, 0);
});

test("the environment has what is given, each name once, and PATH and HOME", () => {
  assert.deepEqual(environmentOf({ env: ["A=1", "B=2", "A=3", "broken", "=x"], home: "/root" }), [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "A=3",
    "B=2",
    "HOME=/root",
  ]);
  assert.deepEqual(environmentOf({ env: ["PATH=/bin", "HOME=/x", "TERM=vt100"], home: "/root", hostname: "c0ffee", terminal: true }), [
    "PATH=/bin",
    "HOSTNAME=c0ffee",
    "TERM=vt100",
    "HOME=/x",
  ]);
});
