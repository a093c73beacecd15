import assert from "node:assert/strict";
import { test } from "node:test";
import { parseManifest } from "../image/documents.ts";
import { Failure } from "../kit/error.ts";
import { digestOf } from "../oci/digest.ts";
import { MEDIA } from "../oci/media-type.ts";
import { PREDICATE_TYPE, statementArtifact } from "./artifact.ts";
import { encodeStatement, parseStatement, readPredicateType, statementFor, subjectFor } from "./statement.ts";

const subject = { mediaType: MEDIA.manifest, digest: digestOf("an image"), size: 8 };
const statement = statementFor([subjectFor(subject.digest)], "https://slsa.dev/provenance/v1", { a: [1, "é"] });

test("a statement is read back as it was written", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(parseStatement(encodeStatement(statement), "s"))), statement);
});

test("statements of version 0.1 are read, others and damaged ones refused", () => {
  const old = JSON.stringify({ ...statement, _type: "https://in-toto.io/Statement/v0.1" });
  assert.equal(parseStatement(Buffer.from(old), "s").predicateType, statement.predicateType);
  const refused = (text: string) =>
    assert.throws(
      () => parseStatement(Buffer.from(text), "s"),
      (error) => error instanceof Failure && error.code === "MANIFEST",
    );
  refused(JSON.stringify({ ...statement, _type: "https://example.org/" }));
  refused(JSON.stringify({ ...statement, predicateType: 7 }));
  refused('{"_type":"https://in-toto.io/Statement/v1","_type":"x"}');
  refused("[]");
});

test("predicate types: cosign's words, or a URI", () => {
  assert.equal(readPredicateType("spdx"), "https://spdx.dev/Document");
  assert.equal(readPredicateType("https://example.org/p/v1"), "https://example.org/p/v1");
  assert.throws(() => readPredicateType("no such"), /neither a URI nor one of slsaprovenance/);
  assert.throws(() => readPredicateType("toString"), Failure);
});

test("an artifact refers to its subject, has the empty configuration, and says what kind of statement it holds", () => {
  const artifact = statementArtifact(subject, statement);
  const manifest = parseManifest(artifact.manifest.bytes, "m", MEDIA.manifest);
  assert.deepEqual(manifest.subject, subject);
  assert.equal(manifest.artifactType, "application/vnd.in-toto+json");
  assert.equal(manifest.config.mediaType, "application/vnd.oci.empty.v1+json");
  assert.equal(manifest.config.digest, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  assert.deepEqual(manifest.layers[0]?.annotations, { [PREDICATE_TYPE]: "https://slsa.dev/provenance/v1" });
  for (const { descriptor, bytes } of [...artifact.blobs, artifact.manifest]) assert.equal(digestOf(bytes), descriptor.digest);
  assert.deepEqual(statementArtifact(subject, statement), artifact, "equal statements have equal digests");
  assert.equal(artifact.descriptor.artifactType, "application/vnd.in-toto+json");
});
