/**
 * Puts the terminal of standard input into raw mode, so that every key goes to the program inside; disposed of, it is as it was. Does
 * nothing where standard input is no terminal. When this process is killed, the sandbox's janitor does it instead (janitor.ts).
 */
export function rawTerminal(): Disposable {
  const { stdin } = process;
  if (!stdin.isTTY || stdin.isRaw) return { [Symbol.dispose]: () => {} };
  stdin.setRawMode(true);
  return { [Symbol.dispose]: () => void stdin.setRawMode(false) };
}
