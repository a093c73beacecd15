// Loaded into nought's process by NODE_OPTIONS=--require: at exit it writes what the whole process used, all threads included.
"use strict";
const { readFileSync, writeFileSync } = require("node:fs");
const file = process.env.NOUGHT_BENCH_METER;
if (file && require("node:worker_threads").isMainThread) {
  process.on("exit", () => {
    const io = Object.fromEntries(
      readFileSync("/proc/self/io", "utf8")
        .trim()
        .split("\n")
        .map((line) => line.split(": ")),
    );
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    writeFileSync(
      file,
      JSON.stringify({ rssKB: maxRSS, cpuMs: (userCPUTime + systemCPUTime) / 1000, read: Number(io.rchar), written: Number(io.wchar) }),
    );
  });
}
