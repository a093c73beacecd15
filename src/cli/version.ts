declare const NOUGHT_VERSION: string | undefined;

/** nought's version, put in by the bundler; sources that run as they are have none. */
export function version(): string {
  return typeof NOUGHT_VERSION === "string" ? NOUGHT_VERSION : "0.0.0-source";
}
