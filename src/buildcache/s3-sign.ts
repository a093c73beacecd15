import { createHash, createHmac } from "node:crypto";

/** Who signs. */
export interface S3Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A request before it is signed. */
export interface Unsigned {
  readonly method: string;
  /** The path percent-encoded as it will be sent (`s3Path`), no query. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** sha256 of the body, 64 hex digits. */
  readonly payload: string;
}

const ALGORITHM = "AWS4-HMAC-SHA256";

/**
 * The headers of a request with its signature: AWS Signature Version 4 for S3, in the Authorization header, payload signed. All headers
 * given are signed, and `host`, `x-amz-date`, `x-amz-content-sha256` and the token.
 */
export function signS3(request: Unsigned, keys: S3Keys, region: string, now: Date): Readonly<Record<string, string>> {
  const time = `${now.toISOString().replaceAll(/[-:]/g, "").slice(0, 15)}Z`;
  const day = time.slice(0, 8);
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-content-sha256": request.payload,
    "x-amz-date": time,
    ...(keys.sessionToken === undefined ? {} : { "x-amz-security-token": keys.sessionToken }),
  };
  const signed = Object.entries({ ...headers, host: request.url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const names = signed.map(([name]) => name).join(";");
  const lines = signed.map(([name, value]) => `${name}:${value}\n`).join("");
  const canonical = [request.method, request.url.pathname, "", lines, names, request.payload].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = [ALGORITHM, time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const key = [day, region, "s3", "aws4_request"].reduce<Buffer | string>(
    (secret, part) => hmac(secret, part),
    `AWS4${keys.secretAccessKey}`,
  );
  const signature = hmac(key, text).toString("hex");
  return {
    ...headers,
    authorization: `${ALGORITHM} Credential=${keys.accessKeyId}/${scope},SignedHeaders=${names},Signature=${signature}`,
  };
}

/** The path of an object's name: every byte but unreserved ones percent-encoded, slashes kept. */
export function s3Path(name: string): string {
  const encoded = (part: string) =>
    encodeURIComponent(part).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  return name.split("/").map(encoded).join("/");
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
