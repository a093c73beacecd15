import { printableLine } from "../../kit/printable.ts";
import { formatListen, parseListen } from "../../serve/listen.ts";
import type { Invocation } from "../command.ts";

/** `nought registry serve`: a registry on loopback until the command is interrupted. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args } = call;
  const where = parseListen(flags.string("listen") as string);
  const [{ openPath, openStoreView }, { serveRegistry }] = await Promise.all([
    import("../../serve/open.ts"),
    import("../../serve/server.ts"),
  ]);
  const [path] = args;
  using opened = path === undefined ? await openStoreView(await call.store()) : await openPath(path, flags.bool("read-only"));
  const quiet = flags.bool("quiet");
  const server = await serveRegistry(opened.holdings, where, ({ method, url, status }) => {
    if (!quiet) call.err(`${status} ${printableLine(method)} ${printableLine(url.slice(0, 1_000))}\n`);
  });
  try {
    const kind = {
      folder: opened.holdings.write ? "" : " (read-only)",
      layout: " (an image layout, read-only)",
      store: " (a store, read-only)",
    };
    call.out(`Serving ${path === undefined ? "the local store" : printableLine(path)}${kind[opened.kind]} on ${formatListen(server)}\n`);
    await new Promise<void>((resolve) => {
      if (call.signal.aborted) return resolve();
      call.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    await server.close();
  }
}
