/** A web server for ADD: the files of a folder, with their times, on a port of its own. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";

export interface Served {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves `dir`. `/redirect/X` sends on to `/X`, `/named/X` gives X the name `given.bin`, `/plain/X` leaves the time out. */
export async function serve(dir: string): Promise<Served> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname);
    const [, first = "", ...rest] = path.split("/");
    if (first === "redirect") {
      response.writeHead(302, { location: `/${rest.join("/")}` }).end();
      return;
    }
    const special = first === "named" || first === "plain";
    const file = join(dir, normalize(special ? `/${rest.join("/")}` : path));
    try {
      const { size, mtime, mode } = statSync(file);
      if ((mode & 0o170000) !== 0o100000) throw new Error("no file");
      response.writeHead(200, {
        "content-length": size,
        ...(first === "plain" ? {} : { "last-modified": mtime.toUTCString() }),
        ...(first === "named" ? { "content-disposition": 'attachment; filename="given.bin"' } : {}),
      });
      if (request.method === "HEAD") response.end();
      else createReadStream(file).pipe(response);
    } catch {
      response.writeHead(404).end("nothing here\n");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Takes the port, which differs from run to run, out of everything that was said. */
export function withoutPort<T>(value: T, url: string | undefined): T {
  return url === undefined ? value : JSON.parse(JSON.stringify(value).replaceAll(url, "http://SERVER"));
}
