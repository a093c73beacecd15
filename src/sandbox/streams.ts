import type { Address, Argument, TableBuilder } from "./table.ts";

/** Where the helper's pump takes bytes from and brings them to: file descriptors; what is absent is not there. See native/nbox.c. */
export interface Streams {
  /** Two sources of output, and where each is copied to as it is. */
  readonly sources?: readonly [Argument, Argument?];
  readonly copies?: readonly [Argument, Argument?];
  /** Output as frames, see frames.ts. */
  readonly log?: Argument;
  /** The last frame once more: how the process ended. */
  readonly status?: Argument;
  /** Input, and where it is brought to. */
  readonly input?: { readonly from: Argument; readonly to: Argument };
  /** The terminal whose size `input.to` follows. */
  readonly window?: Argument;
  /** From so many bytes on, the log's file is renamed to `old` and begun anew at `path`. */
  readonly rotate?: { readonly limit: number; readonly path: string; readonly old: string };
}

/** Adds the operations that fill in the pump's numbers; the result is where they are. */
export function writeStreams(table: TableBuilder, streams: Streams): Address {
  const numbers: Argument[] = [
    streams.sources?.[0] ?? -1,
    streams.sources?.[1] ?? -1,
    streams.copies?.[0] ?? -1,
    streams.copies?.[1] ?? -1,
    streams.log ?? -1,
    streams.status ?? -1,
    streams.input?.from ?? -1,
    streams.input?.to ?? -1,
    streams.window ?? -1,
    streams.rotate?.limit ?? 0,
    streams.rotate ? table.text(streams.rotate.path) : 0,
    streams.rotate ? table.text(streams.rotate.old) : 0,
  ];
  const address = table.words64(...numbers.map((one) => (typeof one === "object" && "register" in one ? 0 : one)));
  for (const [at, one] of numbers.entries())
    if (typeof one === "object" && "register" in one) table.store(one, { at: address.at + 8 * at });
  return address;
}
