import { Failure } from "../../kit/error.ts";
import { LIMITS } from "../../kit/limit.ts";
import { printable } from "../../kit/printable.ts";
import type { Credential } from "../face.ts";

/** A program `docker-credential-NAME`. docker/docker-credential-helpers has its protocol. */
export interface Helper {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Milliseconds it may take. */
  readonly timeoutMs?: number;
}

/** The user name that stands for "the secret is an identity token". */
const TOKEN_USER = "<token>";

/** Asks for the credential of a server; undefined where the helper has none. Throws AUTH for a helper that is missing, slow or broken. */
export async function helperGet(helper: Helper, server: string): Promise<Credential | undefined> {
  const { status, stdout } = await call(helper, "get", server);
  if (status !== 0) {
    if (/credentials not found/i.test(stdout)) return undefined;
    throw broken(helper, `failed with ${status}: ${printable(stdout.trim().slice(0, 200))}`);
  }
  let answer: { Username?: unknown; Secret?: unknown } | null;
  try {
    answer = JSON.parse(stdout) as typeof answer;
  } catch {
    throw broken(helper, "printed something that is not JSON");
  }
  const { Username: username, Secret: secret } = answer ?? {};
  if (typeof username !== "string" || typeof secret !== "string") throw broken(helper, "gave no user name and secret");
  if (username === "" && secret === "") return undefined;
  return username === TOKEN_USER ? { kind: "identity", token: secret } : { kind: "password", username, password: secret };
}

/** Hands a credential over. Throws AUTH. */
export async function helperStore(helper: Helper, server: string, credential: Credential): Promise<void> {
  const [username, secret] = credential.kind === "identity" ? [TOKEN_USER, credential.token] : [credential.username, credential.password];
  const { status } = await call(helper, "store", JSON.stringify({ ServerURL: server, Username: username, Secret: secret }));
  if (status !== 0) throw broken(helper, `failed with ${status}`);
}

/** Makes the helper forget a server. False where it had nothing. Throws AUTH. */
export async function helperErase(helper: Helper, server: string): Promise<boolean> {
  const { status, stdout } = await call(helper, "erase", server);
  if (status !== 0 && !/credentials not found/i.test(stdout)) throw broken(helper, `failed with ${status}`);
  return status === 0;
}

function broken(helper: Helper, why: string): Failure {
  return new Failure("AUTH", `credential helper docker-credential-${printable(helper.name)}: ${why}`);
}

async function call(helper: Helper, verb: string, input: string): Promise<{ status: number; stdout: string }> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(helper.name)) throw broken(helper, "that is no name of a helper");
  const { spawn } = await import("node:child_process");
  const child = spawn(`docker-credential-${helper.name}`, [verb], {
    env: surroundings(helper.env),
    stdio: ["pipe", "pipe", "ignore"],
    // A group of its own, so that what it started ends with it.
    detached: true,
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; stdout: string }>();
  const end = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const late = setTimeout(() => {
    end();
    reject(broken(helper, `gave no answer within ${(helper.timeoutMs ?? LIMITS.helperMs) / 1000} seconds`));
  }, helper.timeoutMs ?? LIMITS.helperMs);
  const stop = () => {
    end();
    reject(new Failure("INTERRUPTED", "interrupted while a credential helper was at work"));
  };
  helper.signal.addEventListener("abort", stop);
  const pieces: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (piece: Buffer) => {
    size += piece.length;
    if (size <= LIMITS.credentialBytes) return void pieces.push(piece);
    end();
    reject(broken(helper, `printed more than ${LIMITS.credentialBytes} bytes`));
  });
  // A helper that does not read what it is given is no error yet.
  child.stdin.on("error", () => {});
  child.on("error", (error: NodeJS.ErrnoException) =>
    reject(broken(helper, error.code === "ENOENT" ? "it is not on PATH" : `could not be started (${printable(error.code ?? "")})`)),
  );
  child.on("close", (status) => resolve({ status: status ?? 128, stdout: Buffer.concat(pieces).toString("utf8") }));
  child.stdin.end(`${input}\n`);
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    helper.signal.removeEventListener("abort", stop);
    child.stdout.destroy();
    child.unref();
  }
}

/** Variables a helper may see by name, and by how they begin: where things are, and what those of cloud registries are set up by. */
const NAMES = new Set(
  ["PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR DISPLAY WAYLAND_DISPLAY XAUTHORITY GNUPGHOME KUBECONFIG REGISTRY_AUTH_FILE"]
    .concat("SSL_CERT_FILE SSL_CERT_DIR HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy")
    .flatMap((line) => line.split(" ")),
);
const BEGINNINGS = ["LC_", "XDG_", "DBUS_", "GPG_", "PASSWORD_STORE_", "DOCKER_"].concat([
  "AWS_",
  "GOOGLE_",
  "GCLOUD_",
  "CLOUDSDK_",
  "AZURE_",
  "ACR_",
  "ARM_",
  "MSI_",
  "IDENTITY_",
  "OCI_",
  "KUBERNETES_",
]);

/** Secrets of builds, and whatever else stands in the environment, are not a helper's business. */
function surroundings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => NAMES.has(name) || BEGINNINGS.some((one) => name.startsWith(one))));
}
