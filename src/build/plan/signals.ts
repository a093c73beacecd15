import { constants } from "node:os";

/**
 * The number of a signal given as `SIGTERM`, `TERM`, `term`, `RTMIN+3` or `15`; undefined for what is none. Linux: 1 to 64.
 */
export function signalNumber(text: string): number | undefined {
  if (/^[0-9]{1,3}$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= 64 ? number : undefined;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realtime = /^RT(MIN|MAX)(?:([+-])([0-9]{1,2}))?$/.exec(name);
  if (realtime) {
    const [, end, sign, by = "0"] = realtime;
    const number = (end === "MIN" ? 34 : 64) + (sign === "-" ? -Number(by) : Number(by));
    return number >= 34 && number <= 64 ? number : undefined;
  }
  const signals: Readonly<Record<string, number>> = constants.signals;
  return Object.hasOwn(signals, `SIG${name}`) ? signals[`SIG${name}`] : undefined;
}
