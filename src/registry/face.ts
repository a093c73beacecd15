import type { TlsFacts } from "../net/wire.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import type { Digest } from "../oci/digest.ts";
import type { Place } from "../oci/place.ts";
import type { Reference } from "../oci/reference.ts";
import type { Task } from "../task/task.ts";

/** What proves who we are: a password, or a token that an authorization server gave for one (docker's identity token). */
export type Credential =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  | { readonly kind: "identity"; readonly token: string; readonly username?: string };

/** Where credentials come from. */
export interface CredentialSource {
  /** The credential for a repository of a registry (`host[:port]`); undefined where nobody logged in. */
  find(registry: string, repository: string): Promise<Credential | undefined>;
}

/** One host that a repository can be had from, and its name there. */
export interface Location {
  /** `host[:port]`. */
  readonly host: string;
  readonly repository: string;
  /** Whether http, and certificates that nobody vouches for, are good enough. */
  readonly insecure: boolean;
  /** Hosts of token servers, beside relatives of `host`, that may be told the password. */
  readonly tokenServers: readonly string[];
  /** Whether it is a mirror: asked first, and never written to. */
  readonly mirror: boolean;
  /** What a mirror may be asked for. */
  readonly serves: "all" | "digest-only" | "tag-only";
}

/** What the configuration says about a name. Throws AUTH where a registry is blocked. */
export type Locate = (name: Reference) => Promise<readonly Location[]>;

export interface RegistryOptions {
  readonly locate: Locate;
  readonly credentials: CredentialSource;
  /**
   * For `login`: token servers are asked for an identity token beside the one that is needed, and what they give is handed over, to be kept
   * in the place of the password.
   */
  readonly identity?: (token: string) => void;
  /** Certificates for a host; undefined for what everybody trusts. */
  readonly tls?: (host: string) => Promise<Pick<TlsFacts, "ca" | "cert" | "key"> | undefined>;
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds: silence on a line, and the pause before the first repetition. */
  readonly stallMs?: number;
  readonly retryMs?: number;
}

/** What one wants of a repository: it decides which rights are asked for, and whether mirrors are asked. */
export type Access = "pull" | "push" | "delete";

/** A repository of a registry, or of its mirrors, as a place. Its tags are its names. */
export interface Repository extends Place, AsyncDisposable {
  /** Without tag and digest. */
  readonly name: Reference;
  /** `has`, with the size that the registry tells. */
  stat(digest: Digest, mediaType?: string): Promise<{ readonly size: number } | undefined>;
  /** All tags, in the registry's order. Throws NOT_FOUND for a repository that is not there. */
  tags(): Promise<readonly string[]>;
  /** What refers to a manifest as its subject. Distribution spec 1.1, "Listing Referrers", with the tag schema where that is missing. */
  referrers(subject: Digest, artifactType?: string): Promise<readonly Descriptor[]>;
  /** Makes a blob of another repository of the same registry appear in this one. False where the registry would not. */
  mount(blob: Digest, from: string): Promise<boolean>;
  /** Takes a tag, a manifest or a blob away. Throws NOT_FOUND, UNSUPPORTED where the registry does not do that. */
  remove(what: { readonly tag: string } | { readonly manifest: Digest } | { readonly blob: Digest }): Promise<void>;
  /** What this place has written, and how it came there; blobs that the registry had already are not among them. */
  readonly arrivals: ReadonlyMap<Digest, "sent" | "mounted">;
  /** The host that answered the last question. */
  readonly answeredBy: string;
}

/** A registry as a whole. */
export interface Registry extends AsyncDisposable {
  /** Says hello with the credentials at hand. Throws AUTH, NETWORK. */
  ping(): Promise<void>;
  /** Names of repositories, as far as the registry tells them. */
  catalog(task: Task): Promise<readonly string[]>;
}
