import { isatty } from "node:tty";

/**
 * Puts the terminal of standard input into raw mode, so that every key goes to the program's own terminal, until it is disposed of, also
 * when this process ends in between. Does nothing where standard input is no terminal.
 */
export function rawTerminal(): Disposable {
  if (!isatty(0)) return { [Symbol.dispose]() {} };
  const { stdin } = process;
  const back = () => {
    stdin.setRawMode(false);
    stdin.pause();
  };
  stdin.setRawMode(true);
  process.on("exit", back);
  return {
    [Symbol.dispose]() {
      process.off("exit", back);
      back();
    },
  };
}
