import { F_SETFL, MSG_CMSG_CLOEXEC, O, O_NONBLOCK } from "./flags.ts";
import { pair, pipe } from "./guard.ts";
import type { Streams } from "./streams.ts";
import type { Register, TableBuilder } from "./table.ts";
import { CONTROL_FD } from "./terminal.ts";

type Ends = readonly [read: Register, write: Register];

/** What a program has as standard streams, before it is forked: pipes, or the socket over which its terminal is handed over. */
export interface Pipes {
  readonly input: Ends;
  readonly output: Ends | undefined;
  readonly error: Ends | undefined;
  readonly control: Ends | undefined;
}

/** Makes them: three pipes, or an input and the socket of a terminal. */
export function makePipes(table: TableBuilder, terminal: boolean): Pipes {
  return {
    input: pipe(table, "input"),
    output: terminal ? undefined : pipe(table, "output"),
    error: terminal ? undefined : pipe(table, "errors"),
    control: terminal ? pair(table) : undefined,
  };
}

/** The program's side: descriptors 0 to 2, and the socket on CONTROL_FD. */
export function takePipes(table: TableBuilder, { input, output, error, control }: Pipes): void {
  table.call("dup3", [input[0], 0, 0], { label: "dup3" });
  if (output) table.call("dup3", [output[1], 1, 0], { label: "dup3" });
  if (error) table.call("dup3", [error[1], 2, 0], { label: "dup3" });
  if (control) table.call("dup3", [control[1], CONTROL_FD, 0], { label: "dup3" });
}

/**
 * The descriptor over which something can be brought to a detached sandbox, in the process that moves its bytes: far above what is open
 * there.
 */
export const INPUT_FD = 250;

export interface OwnStreamsOptions {
  /** Whether descriptor 0 brings input. */
  readonly input: boolean;
  /** Whether output is copied to descriptors 1 and 2. */
  readonly direct: boolean;
  /** The way in stays open, as INPUT_FD. */
  readonly keepInput: boolean;
  readonly keepTerminal: boolean;
}

/** The other side: what the pump moves from where to where. The program's ends are closed. */
export function ownStreams(table: TableBuilder, options: OwnStreamsOptions, { input, output, error, control }: Pipes): Streams {
  for (const fd of [input[0], output?.[1], error?.[1], control?.[1]]) if (fd !== undefined) table.call("close", [fd]);
  if (control) {
    table.call("close", [input[1]]);
    const master = receive(table, control[0]);
    if (options.keepTerminal) table.call("dup3", [master, INPUT_FD, O.CLOEXEC], { ignore: true });
    return {
      sources: [master],
      ...(options.direct ? { copies: [1] } : {}),
      ...(options.input ? { input: { from: 0, to: master }, window: 0 } : {}),
    };
  }
  if (options.input) table.call("fcntl", [input[1], F_SETFL, O_NONBLOCK]);
  else {
    if (options.keepInput) table.call("dup3", [input[1], INPUT_FD, O.CLOEXEC]);
    table.call("close", [input[1]]);
  }
  return {
    sources: [(output as Ends)[0], (error as Ends)[0]],
    ...(options.direct ? { copies: [1, 2] } : {}),
    ...(options.input ? { input: { from: 0, to: input[1] } } : {}),
  };
}

/** Receives the terminal's master side, or −1 when the other process ended before it could send it. unix(7). */
function receive(table: TableBuilder, socket: Register): Register {
  const control = table.words64(0, 0, -1);
  const message = table.words64(0, 0, table.words64(table.space(8), 1), 1, control, 24, 0);
  const master = table.register();
  table.call("recvmsg", [socket, message, MSG_CMSG_CLOEXEC], { ignore: true });
  table.load32({ at: control.at + 16 }, master);
  table.call("fcntl", [master, F_SETFL, O_NONBLOCK], { ignore: true });
  return master;
}
