/** Registries to test against beside Debian's (registry.ts): our own, in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPath } from "../src/serve/open.ts";
import { type Served, serveRegistry } from "../src/serve/server.ts";

/** A registry that runs until it is stopped. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  close(): Promise<void>;
}

/** Our own registry over a new folder, which goes with it, or the one given, which stays. `log` hears of every request. */
export async function startOwnRegistry(dir?: string, readOnly = false, log?: (served: Served) => void): Promise<TestRegistry> {
  const folder = dir ?? mkdtempSync(join(tmpdir(), "nought-own-registry-"));
  const opened = await openPath(folder, readOnly);
  const server = await serveRegistry(opened.holdings, { host: "127.0.0.1", port: 0 }, log);
  return {
    host: `127.0.0.1:${server.port}`,
    async close() {
      await server.close();
      opened[Symbol.dispose]();
      if (dir === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
