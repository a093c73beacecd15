import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import type { Task } from "../task/task.ts";
import type { Challenge } from "./challenge.ts";
import type { Credential, Location } from "./face.ts";
import { judgeRealm } from "./realm.ts";
import { fetchToken, type SendToken, type Tokens } from "./token.ts";

/** Says who asks, to one origin and to no other. */
export interface Authorizer {
  /** Value of the Authorization header for these rights (`repository:app:pull`); undefined as long as nobody asked for one. */
  header(rights: readonly string[], task: Task): Promise<string | undefined>;
  /**
   * The server did not accept `used`. True where another try with a new header makes sense. Throws AUTH where the server asks for
   * something that cannot be given.
   */
  challenged(challenges: readonly Challenge[], rights: readonly string[], used: string | undefined): Promise<boolean>;
}

type Way =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: URL; readonly service: string; readonly password: boolean };

/**
 * `origin` is where headers go; `find` gives the credential, asked for at the first challenge. With `learned` token servers are asked for
 * an identity token in exchange for the password.
 */
export function createAuthorizer(
  origin: URL,
  location: Location,
  find: () => Promise<Credential | undefined>,
  send: SendToken,
  learned?: (identity: string) => void,
): Authorizer {
  let way: Way | undefined;
  let credential: Promise<Credential | undefined> | undefined;
  const tokens = new Map<string, Promise<Tokens>>();
  /** Rights that the server named itself, beside those we asked for. */
  const more = new Map<string, Set<string>>();
  const known = () => (credential ??= find());
  const keyOf = (rights: readonly string[]) => rights.join(" ");

  async function token(bearer: Way & { scheme: "bearer" }, rights: readonly string[], task: Task): Promise<Tokens> {
    const key = keyOf(rights);
    const before = await tokens.get(key)?.catch(() => undefined);
    if (before && before.until > Date.now()) return before;
    const who = bearer.password ? await known() : undefined;
    const question = { ...bearer, scopes: merged([...rights, ...(more.get(key) ?? [])]), who, offline: learned !== undefined };
    const asked = fetchToken(question, send, task);
    tokens.set(key, asked);
    const { identity } = await asked.catch(() => ({ identity: undefined }));
    if (identity !== undefined && who) {
      learned?.(identity);
      // Some servers take each identity token once.
      if (who.kind === "identity") credential = Promise.resolve({ ...who, token: identity });
    }
    asked.catch(() => tokens.get(key) === asked && tokens.delete(key));
    return asked;
  }

  return {
    async header(rights, task) {
      if (way === undefined) return undefined;
      if (way.scheme === "bearer") return `Bearer ${(await token(way, rights, task)).value}`;
      const who = await known();
      return who?.kind === "password" ? basic(who) : undefined;
    },
    async challenged(challenges, rights, used) {
      const bearer = challenges.find((one) => one.scheme === "bearer");
      if (bearer) {
        way = bearerWay(bearer, origin, location);
        const key = keyOf(rights);
        for (const scope of (bearer.parameters.get("scope") ?? "").split(" ").filter((one) => /^[\x21-\x7e]{1,500}$/.test(one))) {
          const set = more.get(key) ?? new Set();
          if (set.size < 10) set.add(scope);
          more.set(key, set);
        }
        // Only the token that was refused: another request may have brought a new one meanwhile.
        const held = await tokens.get(key)?.catch(() => undefined);
        if (held && used === `Bearer ${held.value}`) tokens.delete(key);
        return true;
      }
      if (challenges.some((one) => one.scheme === "basic")) {
        way = { scheme: "basic" };
        const who = await known();
        return used === undefined && who?.kind === "password";
      }
      if (challenges.length === 0) return false;
      const schemes = challenges.map((one) => one.scheme).join(", ");
      throw new Failure("AUTH", `${location.host} asks for a kind of login that is not supported: ${printable(schemes.slice(0, 100))}`);
    },
  };
}

/** The Authorization header of a user and password. RFC 7617. */
export function basic(who: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${who.username}:${who.password}`).toString("base64")}`;
}

function bearerWay(challenge: Challenge, origin: URL, location: Location): Way {
  const text = challenge.parameters.get("realm") ?? "";
  const refuse = (why: string) =>
    new Failure("AUTH", `${location.host} sends us to the token server ${printable(text.slice(0, 200))}, which is not asked: ${why}`, {
      hint: "If it is right, name its host in token-servers of this registry, in nought's registries.conf.",
    });
  let realm: URL;
  try {
    realm = new URL(text);
  } catch {
    throw refuse("it is no URL");
  }
  const verdict = judgeRealm(realm, origin, location.tokenServers);
  if (!verdict.ask) throw refuse(verdict.why);
  return { scheme: "bearer", realm, service: challenge.parameters.get("service") ?? "", password: verdict.password };
}

/** Scopes of the same thing become one: `repository:a:pull` and `repository:a:push,pull` ask for pull and push of a. */
function merged(scopes: readonly string[]): string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const at = scope.lastIndexOf(":");
    const what = scope.slice(0, at);
    const set = actions.get(what) ?? new Set();
    for (const action of scope.slice(at + 1).split(",")) set.add(action);
    actions.set(what, set);
  }
  return [...actions].map(([what, set]) => `${what}:${[...set].join(",")}`);
}
