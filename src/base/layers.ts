import type { PackageRecord } from "../debian/face.ts";
import { parseRelations } from "../debian/relation.ts";
import type { Recipe, Stage } from "./recipe.ts";

/** A recipe in which every stage is one layer: a stage of several becomes that many, and what it adds itself goes into the last. */
export function oneLayerEach(recipe: Recipe): readonly Stage[] {
  return recipe.stages.flatMap((stage): Stage[] => {
    const count = stage.layers ?? 1;
    if (count === 1) return [stage];
    const { title, exclude = [], ...last } = stage;
    const lower = Array.from({ length: count - 1 }, (_, index) => ({ title: `${title}, part ${index + 1}`, packages: [], exclude }));
    return [...lower, { ...last, title, exclude }];
  });
}

/**
 * Divides packages among layers of about the same size: those that most of the others need come into the lowest, since it is they that
 * other images share. Within a layer the order is that of the list. Every list may be empty.
 */
export function divide(packages: readonly PackageRecord[], count: number): readonly (readonly PackageRecord[])[] {
  if (count <= 1) return [packages];
  const needed = neededBy(packages);
  const order = new Map(packages.map((one, index) => [one, index]));
  const ranked = [...packages].sort((a, b) => (needed.get(b.name) ?? 0) - (needed.get(a.name) ?? 0) || (a.name < b.name ? -1 : 1));
  const total = packages.reduce((sum, one) => sum + one.installedSize, 0);
  const groups: PackageRecord[][] = Array.from({ length: count }, () => []);
  let before = 0;
  for (const one of ranked) {
    // By the middle of each: a large package does not push everything after it a layer up.
    const at = total === 0 ? 0 : Math.floor(((before + one.installedSize / 2) * count) / total);
    (groups[Math.min(count - 1, at)] as PackageRecord[]).push(one);
    before += one.installedSize;
  }
  return groups.map((group) => group.sort((a, b) => (order.get(a) as number) - (order.get(b) as number)));
}

/** How many of the packages need each of them, directly or through others. */
function neededBy(packages: readonly PackageRecord[]): ReadonlyMap<string, number> {
  const names = new Map<string, string[]>();
  for (const one of packages) {
    const provided = parseRelations(one.provides, one.name).flat();
    for (const { name } of [one, ...provided]) names.set(name, [...(names.get(name) ?? []), one.name]);
  }
  const needs = new Map<string, ReadonlySet<string>>();
  for (const one of packages) {
    const wanted = [...parseRelations(one.depends, one.name), ...parseRelations(one.preDepends, one.name)].flat();
    needs.set(one.name, new Set(wanted.flatMap(({ name }) => names.get(name) ?? [])));
  }
  const count = new Map<string, number>();
  for (const { name } of packages) {
    const seen = new Set<string>([name]);
    for (const reached of seen) for (const next of needs.get(reached) ?? []) seen.add(next);
    for (const reached of seen) if (reached !== name) count.set(reached, (count.get(reached) ?? 0) + 1);
  }
  return count;
}
