import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Asking, candidatesFor } from "./candidates.ts";
import type { PackageRecord, ResolveRequest } from "./face.ts";
import { unpackOrder } from "./order.ts";
import type { Pool } from "./pool.ts";
import { formatWanted, parseWanted } from "./relation.ts";
import { keyOf, label, type Need, Selection } from "./selection.ts";

/** Wrong turns taken back before giving up. Real installs need none or a few. */
const MOST_TURNS = 2_000;
/** Packages of one resolution. */
const MOST_PACKAGES = 20_000;

/** A package to take; undefined goes without one. */
type Option = PackageRecord | undefined;

/** What was chosen, in an order to unpack in, and who brought each in. */
export interface Solution {
  readonly packages: readonly PackageRecord[];
  readonly reasons: ReadonlyMap<string, string>;
}

/**
 * Chooses packages so that everything asked for works on an empty system, as `apt-get install` does with equal pins: only the highest
 * version of a package counts unless one is asked for; what a package needs comes in before what comes after it; of alternatives the first
 * is taken that is possible, unless one is there already; a choice that turns out wrong is taken back. The same input gives the same
 * packages. `architectures` are those the pool has, the image's first. Throws PACKAGE with the chain that leads to what is missing or
 * conflicts.
 */
export function solve(request: ResolveRequest, pool: Pool, architectures: readonly string[]): Solution {
  const native = request.architecture;
  const asking = (from: string): Asking => ({ from, native, architectures });
  const without = new Set(request.without ?? []);
  const start = new Selection(pool, native, request.recommends ?? false);
  for (const text of request.provided ?? []) addProvided(start, text, native, pool);
  const wantedHere = request.packages.map((text) => askedFor(text, native, pool));
  // What is asked for first has its needs looked at first.
  const needs: Need[] = [];
  for (const record of [...standing(request, pool), ...wantedHere]) {
    if (without.has(record.name)) throw new Failure("PACKAGE", `${label(record)} is asked for and left out at the same time`);
    const obstacle = start.obstacle(record);
    if (obstacle !== undefined) throw new Failure("PACKAGE", `${label(record)} ${obstacle}`);
    start.add(record, record.architecture === "all" ? native : record.architecture, undefined);
    needs.push(...start.needs.splice(0));
  }
  start.needs = needs;
  const open: { readonly selection: Selection; readonly need: Need; readonly options: readonly Option[] }[] = [];
  let selection = start;
  let first: Failure | undefined;
  for (let turns = 0; ; ) {
    const step = advance(selection, asking, pool, without, native);
    if (step === "done") break;
    if (step instanceof Failure) {
      first ??= step;
      const back = open.pop();
      if (back === undefined || ++turns > MOST_TURNS) throw first;
      selection = back.selection;
      const [option, ...others] = back.options;
      if (others.length > 0) open.push({ selection: selection.copy(), need: back.need, options: others });
      addOption(selection, back.need, option, native);
      continue;
    }
    const [option, ...others] = step.options;
    open.push({ selection: selection.copy(), need: step.need, options: others });
    addOption(selection, step.need, option, native);
  }
  const chosen = [...selection.chosen.values()].filter((one) => !one.given);
  const reasons = new Map(chosen.flatMap((one) => (one.by === undefined ? [] : [[keyOf(one.record), one.by] as const])));
  return { packages: unpackOrder(selection, asking), reasons };
}

/**
 * Adds what leaves no choice, one need after the other, until all is done, something is impossible, or one of several packages is to be
 * taken.
 */
function advance(
  selection: Selection,
  asking: (from: string) => Asking,
  pool: Pool,
  without: ReadonlySet<string>,
  native: string,
): "done" | Failure | { readonly need: Need; readonly options: readonly Option[] } {
  for (;;) {
    const need = selection.needs.shift();
    if (need === undefined) return "done";
    if (selection.chosen.size > MOST_PACKAGES) return new Failure("LIMIT", `more than ${MOST_PACKAGES} packages are needed`);
    const ask = asking(need.from);
    if (selection.satisfied(need.group, ask) !== undefined) continue;
    const all = need.group.flatMap((wanted) => candidatesFor(wanted, ask, pool));
    const options = [...new Set(all)].filter((record) => !without.has(record.name) && selection.obstacle(record) === undefined);
    const [only] = options;
    if (only === undefined) {
      if (need.soft) continue;
      return impossible(selection, need, all, without);
    }
    // A recommended package that cannot have what it needs is done without.
    if (need.soft) return { need, options: [...options, undefined] };
    if (options.length === 1) addOption(selection, need, only, native);
    else return { need, options };
  }
}

function addOption(selection: Selection, need: Need, record: Option, native: string): void {
  if (record === undefined) return;
  selection.add(record, record.architecture === "all" ? native : record.architecture, need.by);
}

function askedFor(text: string, native: string, pool: Pool): PackageRecord {
  const [, named = text, sign, choice] = /^([^=/]*)([=/])(.*)$/s.exec(text) ?? [];
  const version = sign === "=" ? choice : undefined;
  const wanted = parseWanted(named, "package asked for");
  const architecture = wanted.qualifier === undefined || wanted.qualifier === "native" ? native : wanted.qualifier;
  const all = pool.versions(wanted.name, architecture);
  const found = sign === undefined ? all[0] : all.find((record) => (sign === "=" ? record.version : record.suite) === choice);
  if (found !== undefined) return found;
  const shown = printable(text);
  if (all.length > 0) {
    const have = all.slice(0, 5).map((record) => `${record.version} in ${record.suite}`);
    throw new Failure("PACKAGE", `${printable(wanted.name)} has no version ${sign === "/" ? "in " : ""}${printable(choice ?? "")}`, {
      hint: `There is ${have.join(", ")}.`,
    });
  }
  const providers = pool.providers(wanted.name, architecture);
  const [only, ...more] = providers;
  if (only !== undefined && more.length === 0 && version === undefined) return only;
  if (only !== undefined) {
    throw new Failure("PACKAGE", `${shown} is not a package but a name that ${providers.length} packages provide`, {
      hint: `Ask for one of them: ${providers
        .slice(0, 10)
        .map((record) => record.name)
        .join(", ")}.`,
    });
  }
  throw new Failure("PACKAGE", `there is no package ${shown} for ${printable(architecture)}`, {
    hint: "Check the spelling and the suite; packages outside of main need their component in the sources.",
  });
}

/** Essential packages and those of the priorities asked for. */
function standing(request: ResolveRequest, pool: Pool): PackageRecord[] {
  const priorities = new Set(request.priorities ?? []);
  if (!request.essential && priorities.size === 0) return [];
  return pool.marked(request.architecture).filter((record) => (request.essential && record.essential) || priorities.has(record.priority));
}

function addProvided(selection: Selection, text: string, native: string, pool: Pool): void {
  const [, name = text, version] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const all = pool.versions(name, native);
  const record = version === undefined ? all[0] : (all.find((one) => one.version === version) ?? { ...(all[0] as PackageRecord), version });
  if (all[0] !== undefined && record !== undefined) selection.add(record, native, undefined, true);
}

function impossible(selection: Selection, need: Need, all: readonly PackageRecord[], without: ReadonlySet<string>): Failure {
  const wanted = need.group.map(formatWanted).join(" | ");
  const chain: string[] = [];
  for (let key = need.by; key !== undefined && chain.length < 20; key = selection.chosen.get(key)?.by) {
    const record = selection.chosen.get(key)?.record;
    if (record !== undefined) chain.unshift(label(record));
  }
  const why =
    all.length === 0
      ? "which no suite has"
      : `but ${all
          .slice(0, 3)
          .map((record) => `${label(record)} ${without.has(record.name) ? "is left out" : selection.obstacle(record)}`)
          .join(", and ")}`;
  return new Failure("PACKAGE", `${chain.join(" needs ")} needs ${wanted}, ${why}`, {
    hint: "Ask for other packages or versions, or add the suite that has it.",
  });
}
