import { type Node, readExpression } from "./automaton-read.ts";
import { WORD } from "./char-class.ts";
import { inRanges } from "./glob.ts";

export interface Automaton {
  /** Text that every match starts and ends with; may be empty. */
  readonly prefix: string;
  readonly suffix: string;
  matches(text: string): boolean;
}

const ANYTHING: Node = { kind: "set", negated: true, ranges: [], star: true };

/**
 * Compiles an expression that must match a whole text. It is run as a set of states side by side, so that time is
 * (length of expression) × (length of text) at most. Gives undefined where Go's regexp package refuses the expression,
 * or where it uses what no ignore pattern means on purpose (`\p`, `\Q`).
 */
export function compileAutomaton(expression: string): Automaton | undefined {
  const ways = readExpression(expression);
  const [first, ...others] = ways ?? [];
  if (!first) return undefined;
  // With `|` the closing anchor belongs to the last way alone, so each way is looked for anywhere and brings its own anchors.
  if (others.length > 0) {
    const all = [first, ...others].map((way) => matcher([ANYTHING, ...way, ANYTHING]));
    return { prefix: "", suffix: "", matches: (text) => all.some((one) => one.matches(text)) };
  }
  // What is left matches a whole text: the anchors around it say nothing more, and without them its literal ends are seen.
  return matcher(first.slice(first[0]?.kind === "begin" ? 1 : 0, first.at(-1)?.kind === "end" ? -1 : undefined));
}

function matcher(nodes: readonly Node[]): Automaton {
  const literal = (of: readonly Node[]): string => {
    let out = "";
    for (const node of of) {
      if (node.kind !== "char") break;
      out += String.fromCodePoint(node.code);
    }
    return out;
  };
  const prefix = literal(nodes);
  const suffix = Array.from(literal(nodes.toReversed())).reverse().join("");
  const marks = new Int32Array(nodes.length + 1);
  return {
    prefix,
    suffix,
    matches: (text) => text.startsWith(prefix) && text.endsWith(suffix) && simulate(nodes, marks.fill(0), text),
  };
}

/** `marks[state]` is the number of the step (from 1) at which the state was last active. */
function simulate(nodes: readonly Node[], marks: Int32Array, text: string): boolean {
  let active: number[] = [];
  let at = 0;
  let turn = 1;
  const add = (state: number, into: number[]): void => {
    for (let to = state; marks[to] !== turn; to++) {
      marks[to] = turn;
      const node = nodes[to];
      if (!node) {
        into.push(to);
        return;
      }
      if (node.kind === "char" || node.kind === "inside" || (node.kind === "set" && !node.star)) {
        into.push(to);
        return;
      }
      if (node.kind === "set") into.push(to);
      else if (node.kind === "folders" || node.kind === "maybe") add(to + 2, into);
      else if (!holds(node.kind, text, at)) return;
    }
  };
  add(0, active);
  while (at < text.length && active.length > 0) {
    const code = text.codePointAt(at) as number;
    at += code > 0xffff ? 2 : 1;
    turn++;
    const next: number[] = [];
    for (const state of active) {
      const node = nodes[state];
      if (node?.kind === "char") {
        if (node.code === code) add(state + 1, next);
      } else if (node?.kind === "set") {
        if (inRanges(node.ranges, code) !== node.negated) add(node.star ? state : state + 1, next);
      } else if (node?.kind === "inside") {
        if (code === 47) add(state + 1, next);
        if (code !== 10) add(state, next);
      }
    }
    active = next;
  }
  return at >= text.length && active.includes(nodes.length);
}

function holds(kind: "begin" | "end" | "boundary" | "inner", text: string, at: number): boolean {
  if (kind === "begin") return at === 0;
  if (kind === "end") return at === text.length;
  const word = (code: number): boolean => inRanges(WORD, code);
  const before = at > 0 && word(text.charCodeAt(at - 1));
  const after = at < text.length && word(text.charCodeAt(at));
  return (before !== after) === (kind === "boundary");
}
