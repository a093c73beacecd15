import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";

/** OCI image-spec, image-index.md, "platform". */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
}

const ARCHITECTURES: Readonly<Record<string, readonly [string, string?]>> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  x64: ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  i386: ["386"],
  ia32: ["386"],
  ppc64el: ["ppc64le"],
};

/** The platform of the machine we run on. Node's names are translated to Go's. */
export function hostPlatform(): Platform {
  const [architecture, variant] = ARCHITECTURES[process.arch] ?? [process.arch];
  return normalizePlatform({ os: "linux", architecture, ...(variant ? { variant } : {}) });
}

/**
 * Reads `os[/arch[/variant]]`, or an architecture alone, as docker does (containerd/platforms). Throws USAGE.
 * @example parsePlatform("linux/arm/v7") → { os: "linux", architecture: "arm", variant: "v7" }
 */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.()-]+$/.test(part)))
    throw new Failure("USAGE", `platform "${printable(text)}" is not of the form os/arch[/variant]`);
  const [first = "", second, third] = parts as [string, string?, string?];
  const host = hostPlatform();
  const platform: Platform =
    second === undefined
      ? ["linux", "windows", "darwin", "freebsd", "wasi", "js"].includes(first)
        ? { os: first, architecture: host.architecture }
        : { os: host.os, architecture: first }
      : { os: first, architecture: second, ...(third ? { variant: third } : {}) };
  return normalizePlatform(platform);
}

/** One spelling for each platform: aliases resolved, default variants dropped (arm64/v8, amd64/v1) or made plain (arm/v7). */
export function normalizePlatform(platform: Platform): Platform {
  const [architecture, implied] = ARCHITECTURES[platform.architecture] ?? [platform.architecture];
  let variant = platform.variant ?? implied;
  if (architecture === "arm64" && (variant === "v8" || variant === "8")) variant = undefined;
  if (architecture === "amd64" && variant === "v1") variant = undefined;
  if (architecture === "arm") variant = variant === undefined ? "v7" : /^\d$/.test(variant) ? `v${variant}` : variant;
  const { variant: _, ...rest } = platform;
  return { ...rest, architecture, ...(variant ? { variant } : {}) };
}

/** `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
}

/** Whether an image for `offered` runs where `wanted` is asked for. */
export function matchesPlatform(wanted: Platform, offered: Platform): boolean {
  const a = normalizePlatform(wanted);
  const b = normalizePlatform(offered);
  return (
    a.os === b.os && a.architecture === b.architecture && (a.variant === b.variant || (a.architecture !== "arm" && b.variant === undefined))
  );
}
