import { saidOf } from "../../attest/read.ts";
import { readPredicateType } from "../../attest/statement.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hostPlatform, parsePlatform } from "../../oci/platform.ts";
import { createTask } from "../../task/task.ts";
import type { Invocation } from "../command.ts";
import { choose, openSource } from "../transfer/source.ts";
import { readPlaceWord } from "../transfer/word.ts";

/** `nought attestations`: what is said of an image, as JSON. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const text = call.args[0] as string;
  const type = flags.string("type");
  const wanted = type === undefined || type === "provenance" ? type : readPredicateType(type);
  const given = flags.string("platform");
  const task = createTask((event) => event.type === "note" && call.err(`${event.text}\n`), call.signal);
  await using source = await openSource(call, readPlaceWord(text), task);
  const { referrers } = source;
  if (!referrers) throw new Failure("UNSUPPORTED", `${printable(text)}: nothing is said of an image there: it holds the image alone`);
  const image = await choose(source, given === undefined ? hostPlatform() : parsePlatform(given));
  const { has, open } = source.from;
  const said = await saidOf({ has, open, referrers }, image, source.root);
  const shown = said.filter(({ statement: { predicateType } }) =>
    wanted === "provenance" ? predicateType.startsWith("https://slsa.dev/provenance/") : wanted === undefined || predicateType === wanted,
  );
  if (flags.bool("predicate")) {
    const [one, ...more] = shown;
    if (!one || more.length > 0)
      throw new Failure("NOT_FOUND", `${printable(text)}: ${shown.length} statements where --predicate wants one`, {
        hint: one ? "Choose with --type and --platform." : "`nought attestations` without flags shows all there are.",
      });
    call.out(`${JSON.stringify(one.statement.predicate, null, 2)}\n`);
    return;
  }
  const list = shown.map(({ carrier, signed, statement }) => ({ manifest: image.digest, carrier: carrier.digest, signed, statement }));
  call.out(`${JSON.stringify(list, null, 2)}\n`);
}
