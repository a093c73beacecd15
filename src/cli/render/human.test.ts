import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, goTime, humanDuration, humanSize, rfc3339, timeOf } from "./human.ts";

test("sizes are docker's: decimal units, three figures", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0B"],
    [12, "12B"],
    [999, "999B"],
    [1000, "1kB"],
    [1234, "1.23kB"],
    [12_345, "12.3kB"],
    [999_499, "999kB"],
    [999_500, "1MB"],
    [1_810_000, "1.81MB"],
    [200_000_000, "200MB"],
    [1_500_000_000, "1.5GB"],
    [2e12, "2TB"],
    [3e15, "3PB"],
  ];
  for (const [bytes, text] of table) assert.equal(humanSize(bytes), text, String(bytes));
  assert.equal(humanSize(8761, 4), "8.761kB");
});

test("spans of time are docker's", () => {
  const second = 1000;
  const hour = 3600 * second;
  const day = 24 * hour;
  const table: readonly (readonly [number, string])[] = [
    [0, "Less than a second"],
    [999, "Less than a second"],
    [second, "1 second"],
    [59 * second, "59 seconds"],
    [60 * second, "About a minute"],
    [119 * second, "About a minute"],
    [120 * second, "2 minutes"],
    [59 * 60 * second, "59 minutes"],
    [hour, "About an hour"],
    [1.4 * hour, "About an hour"],
    [1.6 * hour, "2 hours"],
    [47 * hour, "47 hours"],
    [48 * hour, "2 days"],
    [13 * day, "13 days"],
    [14 * day, "2 weeks"],
    [59 * day, "8 weeks"],
    [60 * day, "2 months"],
    [729 * day, "24 months"],
    [730 * day, "2 years"],
    [56.9 * 365 * day, "56 years"],
  ];
  for (const [span, text] of table) assert.equal(humanDuration(span), text, String(span));
  assert.equal(ago(undefined), "N/A");
  assert.equal(ago(1000, 4000), "3 seconds ago");
  assert.equal(ago(4000, 1000), "Less than a second ago");
});

test("times of configs: missing, unreadable and Go's zero are no time", () => {
  assert.equal(timeOf(undefined), undefined);
  assert.equal(timeOf("0001-01-01T00:00:00Z"), undefined);
  assert.equal(timeOf("yesterday"), undefined);
  assert.equal(timeOf("1970-01-01T00:00:01Z"), 1000);
  assert.equal(timeOf("2026-11-21T10:25:03.098636916Z"), Date.UTC(2026, 10, 21, 10, 25, 3, 98));
});

test("moments are printed in local time as Go prints them", () => {
  const at = Date.UTC(2026, 10, 21, 10, 25, 3, 500);
  const zone = process.env.TZ;
  try {
    process.env.TZ = "UTC";
    assert.equal(rfc3339(at), "2026-11-21T10:25:03Z");
    assert.equal(goTime(at), "2026-11-21 10:25:03 +0000 UTC");
    process.env.TZ = "America/St_Johns";
    assert.equal(rfc3339(at), "2026-11-21T06:55:03-03:30");
    assert.match(goTime(at), /^2026-11-21 06:55:03 -0330 /);
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});
