import type { GhaOptions } from "../../buildcache/gha.ts";
import type { S3Options } from "../../buildcache/s3.ts";
import { Failure } from "../../kit/error.ts";
import type { Attributes } from "./cache-attributes.ts";

/** A bucket from the attributes of `type=s3`, and AWS's variables where they are silent, as buildx does. Throws USAGE. */
export function readS3(attributes: Attributes, env: NodeJS.ProcessEnv): S3Options {
  const needed = (key: string, variable: string): string => {
    const value = attributes.take(key) ?? env[variable];
    if (!value) throw new Failure("USAGE", `a cache of type=s3 needs ${key}, or ${variable} in the environment`);
    return value;
  };
  const bucket = needed("bucket", "AWS_BUCKET");
  const region = needed("region", "AWS_REGION");
  for (const [key, value] of [
    ["bucket", bucket],
    ["region", region],
  ] as const)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(value)) throw new Failure("USAGE", `a cache of type=s3: ${key} is no name of one`);
  const accessKeyId = needed("access_key_id", "AWS_ACCESS_KEY_ID");
  const secretAccessKey = needed("secret_access_key", "AWS_SECRET_ACCESS_KEY");
  const sessionToken = attributes.take("session_token") ?? env.AWS_SESSION_TOKEN;
  const endpoint = attributes.take("endpoint_url");
  const names = (attributes.take("name") ?? "buildkit").split(";").filter((name) => name !== "");
  return {
    bucket,
    region,
    keys: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
    ...(endpoint === undefined ? {} : { endpoint: addressOf(endpoint, "endpoint_url") }),
    pathStyle: attributes.flag("use_path_style", false),
    prefix: attributes.take("prefix") ?? "",
    manifestsPrefix: attributes.take("manifests_prefix") ?? "manifests/",
    blobsPrefix: attributes.take("blobs_prefix") ?? "blobs/",
    names: names.length > 0 ? names : ["buildkit"],
  };
}

/** The cache service from the attributes of `type=gha` and a job's variables; undefined outside of a job. Throws USAGE, UNSUPPORTED. */
export function readGha(attributes: Attributes, env: NodeJS.ProcessEnv): GhaOptions | undefined {
  const given = attributes.take("url");
  const url = attributes.take("url_v2") ?? given ?? env.ACTIONS_RESULTS_URL;
  const token = attributes.take("token") ?? env.ACTIONS_RUNTIME_TOKEN;
  const scope = attributes.take("scope") ?? "buildkit";
  // For what BuildKit asks the API of GitHub beside the cache: which blobs there are.
  attributes.take("ghtoken");
  attributes.take("repository");
  attributes.take("version");
  if (!url && env.ACTIONS_CACHE_URL)
    throw new Failure("UNSUPPORTED", "a cache of type=gha: nought speaks version 2 of the cache service alone (ACTIONS_RESULTS_URL)");
  if (!url || !token) return undefined;
  return { url: addressOf(url, "url"), token, scope };
}

function addressOf(text: string, key: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (/^https?:$/.test(url.protocol) && url.username === "" && url.password === "") return url;
  }
  throw new Failure("USAGE", `${key} of a cache is not an address with http or https`);
}
