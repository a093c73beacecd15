import assert from "node:assert/strict";
import { test } from "node:test";
import { complete } from "./candidates.ts";

const words = (...typed: string[]) => {
  const answer = complete(typed);
  return "ask" in answer ? answer.ask : answer.candidates.map((one) => one.word);
};

test("commands, groups and their commands", () => {
  assert.deepEqual(words("im"), ["image", "images", "import"]);
  assert.deepEqual(words("image", ""), [
    "build",
    "cat",
    "copy",
    "history",
    "import",
    "inspect",
    "load",
    "ls",
    "ls-files",
    "prune",
    "pull",
    "push",
    "rm",
    "save",
    "tag",
  ]);
  assert.deepEqual(words("image", "l"), ["load", "ls", "ls-files"]);
  assert.deepEqual(words("--store", "x", "rm"), ["rm", "rmi"]);
  assert.deepEqual(words("help", "ta"), ["tag", "tags"]);
  assert.deepEqual(words("nope", ""), []);
  assert.ok(words("").includes("build"));
  assert.ok(!words("").includes("__complete"));
  assert.deepEqual(words("--st"), ["--store"]);
});

test("flags and their values", () => {
  assert.deepEqual(words("build", "--no"), ["--no-cache", "--no-cache-filter"]);
  assert.ok(!words("build", "--").includes("--isolation"), "hidden flags are not offered");
  assert.deepEqual(words("build", "--progress", "p"), ["plain"]);
  assert.deepEqual(words("build", "--progress=p"), ["--progress=plain"]);
  assert.deepEqual(words("save", "--format", "oci"), ["oci-archive", "oci-dir"]);
  assert.equal(words("build", "-f", ""), "files");
  assert.equal(words("build", "-qf", ""), "files");
  assert.equal(words("build", "--file=D"), "files");
  assert.equal(words("images", "--store", ""), "folders");
  assert.deepEqual(words("build", "-t", ""), []);
});

test("words: images, folders, files, shells", () => {
  assert.equal(words("rmi", ""), "images");
  assert.equal(words("rmi", "-f", ""), "images");
  assert.equal(words("image", "rm", "a", ""), "images");
  assert.equal(words("build", ""), "folders");
  assert.equal(words("build", "--no-cache", ""), "folders");
  assert.equal(words("dockerfile", "parse", ""), "files");
  assert.deepEqual(words("completion", ""), ["bash", "fish", "zsh"]);
  assert.equal(words("rmi", "--", "-x"), "images");
  assert.deepEqual(words("version", ""), []);
});
