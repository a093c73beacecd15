/**
 * An HTTP proxy on loopback that keeps what goes through it in a folder: `node bench/apt-proxy.ts FOLDER` prints its port. The first fetch of a file comes
 * from the machine's own mirror, every other from the folder, so that the network's time is in nobody's figures. Ends with its standard input.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { readAptConf } from "../src/debian/apt-conf.ts";
import { readAuthConf } from "../src/debian/auth-conf.ts";
import { createTransport, isMissing } from "../src/debian/transport.ts";
import { createTask } from "../src/task/task.ts";

const [folder = ""] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const transport = createTransport({ conf: readAptConf("/"), logins: readAuthConf("/"), env: process.env });
const task = createTask();
const running = new Map<string, Promise<number>>();
let fetched = 0;

/** Gets a file into the folder once, whoever asks for it. An empty mark beside it says that the mirror has none. */
async function fetchOnce(url: string, path: string): Promise<number> {
  const pieces: Buffer[] = [];
  fetched++;
  try {
    await transport.get(url, { write: (chunk) => void pieces.push(Buffer.from(chunk)) }, 2 ** 31, task);
  } catch (error) {
    if (!isMissing(error)) throw error;
    writeFileSync(`${path}.none`, "");
    return 404;
  }
  writeFileSync(`${path}.part`, Buffer.concat(pieces));
  renameSync(`${path}.part`, path);
  return 200;
}

const server = createServer(async (request, response) => {
  const url = request.url ?? "";
  // `fetched` of the proxy itself: a measured round must not have raised it.
  if (url === "/fetched") return void response.end(String(fetched));
  if (request.method !== "GET" || !url.startsWith("http://")) return void response.writeHead(405).end();
  const path = join(folder, createHash("sha256").update(url).digest("hex"));
  try {
    if (!existsSync(path) && !existsSync(`${path}.none`)) {
      const one = running.get(path) ?? fetchOnce(url, path);
      running.set(path, one);
      await one.finally(() => running.delete(path));
    }
    if (!existsSync(path)) return void response.writeHead(404, { "content-length": 0 }).end();
    const bytes = readFileSync(path);
    response.writeHead(200, { "content-length": bytes.length, "last-modified": new Date(0).toUTCString() }).end(bytes);
  } catch (error) {
    rmSync(`${path}.part`, { force: true });
    response.writeHead(502).end(`${(error as Error).message}\n`);
  }
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
process.stdin.resume().on("end", () => process.exit(0));
