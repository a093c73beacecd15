import { constants } from "node:os";

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
names.set(11, "EAGAIN"); // has two names
names.set(95, "ENOTSUP");

/** The name of an error number of Linux, `EPERM` for 1. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `error ${errno}`;
}
