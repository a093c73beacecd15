import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");
const rooms = new Map<string, { floor: number; may: Set<string>; sentence: string }>();
for (const line of readFileSync(join(root, "ROOMS"), "utf8").split("\n")) {
  if (line.startsWith("#") || line.trim() === "") continue;
  const [name = "", floor = "", may = "", sentence = ""] = line.split("|").map((cell) => cell.trim());
  rooms.set(name, { floor: Number(floor), may: new Set(may.split(/\s+/).filter(Boolean)), sentence });
}

const sources = globSync("src/**/*.ts", { cwd: root }).filter((file) => !file.includes("/testdata/"));

test("every folder of src is a room with a sentence, and imports only go down", () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const room = file.split("/")[1] as string;
    if (room.endsWith(".ts")) continue;
    const facts = rooms.get(room);
    if (!facts?.sentence) {
      wrong.push(`${file}: src/${room}/ is not in ROOMS: add a line with its floor, imports and one sentence`);
      continue;
    }
    if (facts.may.has("*") || file.endsWith(".test.ts")) continue;
    for (const [, target = ""] of readFileSync(join(root, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
      const other = relative(join(root, "src"), join(root, dirname(file), target)).split("/")[0] as string;
      if (other !== room && !facts.may.has(other))
        wrong.push(
          `${file} imports ${target}: ${room} may import ${[...facts.may].join(" ") || "nothing"}; move the code down or add it to ROOMS`,
        );
    }
  }
  assert.deepEqual(wrong, []);
});

test("a room's imports lie on its own floor or below", () => {
  const wrong = [...rooms].flatMap(([name, { floor, may }]) =>
    [...may].filter((other) => other !== "*" && (rooms.get(other)?.floor ?? 99) > floor).map((other) => `${name} → ${other}`),
  );
  assert.deepEqual(wrong, []);
});

test("no file of src is longer than 400 lines", () => {
  const long = sources.filter((file) => readFileSync(join(root, file), "utf8").split("\n").length > 400);
  assert.deepEqual(long, []);
});
