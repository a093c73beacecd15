import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "../oci/digest.ts";
import { parseReference } from "../oci/reference.ts";
import { debianPackages } from "./debian-packages.ts";
import { type BuildFacts, provenance } from "./provenance.ts";
import { imagePurl } from "./purl.ts";
import { safeText, safeUrl } from "./redact.ts";

test("URLs in statements lose user names, passwords and what queries say", () => {
  for (const [url, safe] of [
    ["https://host/app.git#main:sub", "https://host/app.git#main:sub"],
    ["https://user:s3cret@host:8443/app.git#v1", "https://host:8443/app.git#v1"],
    ["https://s3cret@host/f", "https://host/f"],
    ["https://user:s3/cret@host/f", "https://host/f"],
    ["https://[::1]:5000/f@v1", "https://[::1]:5000/f@v1"],
    ["https://host/f?token=s3cret&v=2", "https://host/f?token=xxxxx&v=xxxxx"],
    ["https://host/f?s3cret", "https://host/f?xxxxx"],
    ["https://host/f#access_token=s3cret", "https://host/f#xxxxx"],
    ["ssh://git:s3cret@host/app.git", "ssh://host/app.git"],
    ["git@host:org/app.git", "git@host:org/app.git"],
  ] as const)
    assert.equal(safeUrl(url), safe);
});

test("running text: every URL is made safe, and every known secret is hidden", () => {
  assert.equal(
    safeText(`ADD https://u:s3cret@h/f?k=s3cret /x\nRUN curl "http://h:1/?a=s3cret" && login hunter22 abc`, ["hunter22", "abc"]),
    `ADD https://xxxxx@h/f?k=xxxxx /x\nRUN curl "http://h:1/?a=xxxxx" && login xxxxx abc`,
  );
});

test("package URLs of images are those that BuildKit writes", () => {
  const platform = { os: "linux", architecture: "amd64" };
  for (const [name, purl] of [
    ["alpine:3.20", "pkg:docker/alpine@3.20?platform=linux%2Famd64"],
    ["localhost:5000/app", "pkg:docker/localhost:5000/app@latest?platform=linux%2Famd64"],
    ["user/app:1", "pkg:docker/user/app@1?platform=linux%2Famd64"],
  ] as const)
    assert.equal(imagePurl(parseReference(name), platform), purl);
});

const facts: BuildFacts = {
  version: "1.2.3",
  dockerfile: { path: "Dockerfile", digest: digestOf("FROM scratch"), text: "FROM scratch", redacted: false },
  sources: [{ name: "context", kind: "git", uri: "https://host/app.git#main", digest: { sha1: "0".repeat(40) } }],
  platform: "linux/amd64",
  buildPlatform: "linux/amd64",
  secrets: ["token"],
  ssh: [],
  args: { FOO: "argument" },
  labels: { l: "label" },
  dependencies: [
    { uri: "pkg:docker/b@1", digest: { sha256: "b" } },
    { uri: "pkg:docker/a@1", digest: { sha256: "a" } },
    { uri: "pkg:docker/b@1", digest: { sha256: "b" } },
  ],
  stages: [{ name: "stage-0", platform: "linux/amd64", base: "scratch", steps: [{ name: "COPY a /a", line: 2, endLine: 2 }] }],
  layers: [{ diffId: digestOf("layer"), createdBy: "COPY a /a", inherited: false }],
  closed: true,
};

test("min tells what went in, and neither arguments nor the Dockerfile nor steps; max tells them", () => {
  const min = JSON.stringify(provenance(facts, { mode: "min" }));
  for (const word of ["argument", "label", "COPY", "RlJPTSBzY3JhdGNo", "stages", "layers"]) assert.ok(!min.includes(word), word);
  assert.ok(min.includes('"id":"token"'), "a secret is named by its id");
  const max = JSON.stringify(provenance(facts, { mode: "max" }));
  for (const word of ['"build-arg:FOO":"argument"', '"label:l":"label"', "COPY a /a", "RlJPTSBzY3JhdGNo", digestOf("layer")])
    assert.ok(max.includes(word), word);
});

test("Debian packages are named as package URLs, as far as they are installed", () => {
  const status = `Package: libc6
Status: install ok installed
Version: 2.36-9+deb12u10
Architecture: amd64
Description: GNU C Library
 Package: not this one

Package: gone
Status: deinstall ok config-files
Version: 1

Package: zlib1g
Version: 1:1.2.13~x
`;
  assert.deepEqual(
    debianPackages(status, "bookworm").map((one) => one.uri),
    ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=bookworm", "pkg:deb/debian/zlib1g@1:1.2.13~x?distro=bookworm"],
  );
  assert.deepEqual(debianPackages("", undefined), []);
});

test("provenance is complete by SLSA's schema, and the same whenever it is made", () => {
  const predicate = provenance(facts, { mode: "max", builderId: "https://ci.example.org/run/1", reproducible: true });
  assert.deepEqual(provenance(facts, { mode: "max", builderId: "https://ci.example.org/run/1", reproducible: true }), predicate);
  const { buildDefinition, runDetails } = predicate as Record<string, Record<string, unknown>>;
  assert.equal(buildDefinition?.["buildType"], "pkg:npm/nought#docs/attestations.md");
  assert.deepEqual(
    (buildDefinition as { resolvedDependencies: { uri: string }[] }).resolvedDependencies.map((one) => one.uri),
    ["pkg:docker/a@1", "pkg:docker/b@1"],
    "each once, in order",
  );
  assert.deepEqual(runDetails?.["builder"], { id: "https://ci.example.org/run/1", version: { nought: "1.2.3" } });
  const metadata = runDetails?.["metadata"] as Record<string, unknown>;
  assert.deepEqual(metadata["nought_completeness"], { request: true, resolvedDependencies: true });
  for (const key of ["startedOn", "finishedOn", "invocationId"]) assert.equal(metadata[key], undefined);
});
