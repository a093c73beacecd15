/** How long nought needs to say its version, against a Node that does nothing: `node bench/start.ts [ROUNDS]`. Alternating, fresh processes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { median, time } from "./measure.ts";
import { noughtPrefix } from "./tools.ts";

const rounds = Number(process.argv[2] ?? 20);
const commands = {
  "node -e 0": [process.execPath, "-e", "0"],
  "nought --version": [...noughtPrefix(), "--version"],
  "nought --help": [...noughtPrefix(), "--help"],
  "nought images": [...noughtPrefix(), "images", "-q"],
};
const all = new Map<string, number[]>(Object.keys(commands).map((name) => [name, []]));
for (let round = 0; round < rounds; round++) {
  const order = Object.entries(commands);
  if (round % 2 === 1) order.reverse();
  for (const [name, command] of order) all.get(name)?.push(time(command));
}
const { start } = JSON.parse(readFileSync(join(import.meta.dirname, "budgets.json"), "utf8"));
const base = median(all.get("node -e 0") ?? []);
for (const [name, list] of all) {
  const ratio = median(list) / base;
  const verdict = name === "nought --version" ? `, aim ${start}: ${ratio <= start ? "met" : "MISSED"}` : "";
  console.log(
    `${name}: median ${median(list).toFixed(1)} ms, best ${Math.min(...list).toFixed(1)} ms, ${ratio.toFixed(2)} × node -e 0${verdict}`,
  );
}
