"use strict";
// dist/nought.cjs, what bin/nought starts. Written in syntax that old Nodes read, so that it can tell them what is missing.
// It answers --version by itself, and otherwise loads the command line with V8's compile cache on.
var major = parseInt(process.versions.node, 10);
if (major < 24) {
  console.error("nought: needs Node 24 or newer, this is " + process.version + " (" + process.execPath + ").");
  console.error(
    "  nought brings its own Node 24 as an optional npm package for Linux with glibc, on x64 and arm64; it is not there. Either",
  );
  console.error(
    "    fetch it:       npm install --include=optional nought     (with -g if nought is installed globally; in a clone: npm ci)",
  );
  console.error("    or take yours:  put a Node 24 or newer on PATH, or name one in NOUGHT_NODE.");
  process.exit(1);
} else if (process.argv.length === 3 && (process.argv[2] === "--version" || process.argv[2] === "-v")) {
  process.stdout.write("nought version @VERSION@\n");
} else {
  var cache = ownCache();
  if (cache) require("node:module").enableCompileCache(cache);
  require("./cli.cjs");
}

/**
 * The folder for compiled code, or nothing. What lies there is run unchecked, so it must belong to us and nobody else may write to it:
 * never the install folder (root's, or read-only), never a home that `sudo` kept from somebody else.
 */
function ownCache() {
  var fs = require("node:fs");
  var base = process.env.XDG_CACHE_HOME || (process.env.HOME ? process.env.HOME + "/.cache" : "");
  if (base[0] !== "/" || process.env.NOUGHT_COMPILE_CACHE === "off") return undefined;
  try {
    var me = process.geteuid();
    if (!isOurs(fs.statSync(base), me)) return undefined;
    var dir = base + "/nought/compiled";
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    return isOurs(fs.lstatSync(base + "/nought"), me) && isOurs(fs.lstatSync(dir), me) ? dir : undefined;
  } catch {
    return undefined;
  }
}

function isOurs(stats, me) {
  return stats.isDirectory() && stats.uid === me && (stats.mode & 0o022) === 0;
}
