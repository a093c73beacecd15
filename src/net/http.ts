/**
 * node:http or node:https for a URL's protocol (`https:` with its colon), loaded at first use. Not with `import()`: that reads every export, and one of
 * node:http's brings all of fetch along, 30 ms.
 */
export function httpOf(protocol: string): Pick<typeof import("node:https"), "request" | "Agent"> {
  return protocol === "https:" ? process.getBuiltinModule("node:https") : (process.getBuiltinModule("node:http") as never);
}
