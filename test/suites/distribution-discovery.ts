/** Rules of the OCI distribution-spec 1.1 about lists (tags, the catalogue, referrers) and about taking away, as tests over any registry. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { digestOf } from "../../src/oci/digest.ts";
import { MEDIA } from "../../src/oci/media-type.ts";
import type { Declare } from "./distribution.ts";
import { type Answer, ask, manifestOf, pushBlob, pushImage, putManifest } from "./distribution-requests.ts";

/** Declares the tests of content discovery and content management. */
export function discoveryRules(rule: Declare): void {
  // Discovery
  rule(
    "tags are listed in order",
    async (host, repository) => {
      for (const tag of ["b", "a", "c", "10", "9"]) await pushImage(host, repository, tag);
      const all = (await ask(host, "GET", `/v2/${repository}/tags/list`)).json();
      assert.deepEqual(all, { name: repository, tags: ["10", "9", "a", "b", "c"] });
    },
    "tags in order",
  );

  rule(
    "tags come in pages",
    async (host, repository) => {
      for (const tag of ["b", "a", "c", "10", "9"]) await pushImage(host, repository, tag);
      const seen: string[] = [];
      let next: string | undefined = `/v2/${repository}/tags/list?n=2`;
      while (next !== undefined) {
        const page: Answer = await ask(host, "GET", next);
        assert.ok(page.json().tags.length <= 2);
        seen.push(...page.json().tags);
        next = /<([^>]+)>; *rel="?next"?/.exec(page.headers.get("link") ?? "")?.[1];
      }
      assert.deepEqual(seen, ["10", "9", "a", "b", "c"]);
      assert.deepEqual((await ask(host, "GET", `/v2/${repository}/tags/list?n=2&last=9`)).json().tags, ["a", "b"]);
      assert.deepEqual((await ask(host, "GET", `/v2/${repository}/tags/list?last=b`)).json().tags, ["c"]);
      assert.deepEqual((await ask(host, "GET", `/v2/${repository}/tags/list?n=0`)).json().tags, []);
    },
    "tags in order",
  );

  rule("the catalogue names repositories", async (host, repository) => {
    await pushImage(host, repository, "x");
    assert.ok((await ask(host, "GET", "/v2/_catalog?n=1000")).json().repositories.includes(repository));
  });

  rule(
    "referrers are listed by subject, filtered by type, and may come before it",
    async (host, repository) => {
      const subject = digestOf(`${repository} is not there yet`);
      const none = await ask(host, "GET", `/v2/${repository}/referrers/${subject}`);
      assert.equal(none.status, 200);
      assert.equal(none.headers.get("content-type"), MEDIA.index);
      assert.deepEqual(none.json().manifests, []);
      const config = await pushBlob(host, repository, Buffer.from("{}"));
      const about = (artifactType: string) => ({
        ...manifestOf({ ...config, mediaType: MEDIA.empty }, []),
        artifactType,
        annotations: { about: artifactType },
        subject: { mediaType: MEDIA.manifest, digest: subject, size: 123 },
      });
      for (const type of ["application/a", "application/b"]) {
        const bytes = Buffer.from(JSON.stringify(about(type)));
        const pushed = await putManifest(host, repository, digestOf(bytes), bytes);
        assert.equal(pushed.status, 201);
        assert.equal(pushed.headers.get("oci-subject"), subject);
      }
      const all = (await ask(host, "GET", `/v2/${repository}/referrers/${subject}`)).json().manifests;
      assert.deepEqual(all.map((one) => [one.artifactType, one.annotations.about]).sort(), [
        ["application/a", "application/a"],
        ["application/b", "application/b"],
      ]);
      const some = await ask(host, "GET", `/v2/${repository}/referrers/${subject}?artifactType=application/a`);
      assert.equal(some.headers.get("oci-filters-applied"), "artifactType");
      assert.deepEqual(
        some.json().manifests.map((one) => one.artifactType),
        ["application/a"],
      );
      const gone = some.json().manifests[0]?.digest;
      assert.equal((await ask(host, "DELETE", `/v2/${repository}/manifests/${gone}`)).status, 202);
      assert.equal((await ask(host, "GET", `/v2/${repository}/referrers/${subject}`)).json().manifests.length, 1);
    },
    "referrers",
  );

  rule(
    "a referrer without a type of its own has that of its configuration; indexes refer too",
    async (host, repository) => {
      const subject = await pushImage(host, repository, "subject");
      const about = { mediaType: MEDIA.manifest, digest: subject.digest, size: subject.bytes.length };
      const config = await pushBlob(host, repository, Buffer.from("{}"));
      const manifest = { ...manifestOf({ ...config, mediaType: "application/of-config" }, []), subject: about };
      const index = { schemaVersion: 2, mediaType: MEDIA.index, artifactType: "application/index", manifests: [], subject: about };
      for (const [document, type] of [
        [manifest, MEDIA.manifest],
        [index, MEDIA.index],
      ] as const) {
        const bytes = Buffer.from(JSON.stringify(document));
        assert.equal((await putManifest(host, repository, digestOf(bytes), bytes, type)).headers.get("oci-subject"), subject.digest);
      }
      const { manifests } = (await ask(host, "GET", `/v2/${repository}/referrers/${subject.digest}`)).json();
      assert.deepEqual(manifests.map((one) => one.artifactType).sort(), ["application/index", "application/of-config"]);
    },
    "referrers",
  );

  // Content management
  rule("a manifest is deleted by digest, with its tags", async (host, repository) => {
    const { digest } = await pushImage(host, repository, "gone");
    assert.equal((await ask(host, "DELETE", `/v2/${repository}/manifests/${digest}`)).status, 202);
    for (const word of ["gone", digest])
      assert.equal((await ask(host, "GET", `/v2/${repository}/manifests/${word}`, { accept: MEDIA.manifest })).status, 404, word);
    assert.equal((await ask(host, "DELETE", `/v2/${repository}/manifests/${digest}`)).status, 404);
  });

  rule("the list of tags knows nothing of what was deleted", async (host, repository) => {
    const stays = await pushImage(host, repository, "stays");
    const { digest } = await pushImage(host, repository, "goes");
    await ask(host, "DELETE", `/v2/${repository}/manifests/${digest}`);
    assert.deepEqual((await ask(host, "GET", `/v2/${repository}/tags/list`)).json().tags, ["stays"]);
    await ask(host, "DELETE", `/v2/${repository}/manifests/${stays.digest}`);
    const empty = await ask(host, "GET", `/v2/${repository}/tags/list`);
    // Debian's registry forgets a repository with its last tag, or lists null.
    assert.ok(empty.status === 404 || (empty.json().tags ?? []).length === 0);
  });

  rule(
    "a tag is deleted alone",
    async (host, repository) => {
      const { digest } = await pushImage(host, repository, "one");
      assert.equal((await ask(host, "DELETE", `/v2/${repository}/manifests/one`)).status, 202);
      assert.equal((await ask(host, "GET", `/v2/${repository}/manifests/one`)).status, 404);
      assert.equal((await ask(host, "GET", `/v2/${repository}/manifests/${digest}`, { accept: MEDIA.manifest })).status, 200);
    },
    "delete a tag alone",
  );

  rule("a blob is deleted from one repository only", async (host, repository) => {
    const { digest } = await pushBlob(host, repository, randomBytes(90));
    await ask(host, "POST", `/v2/${repository}/other/blobs/uploads/?mount=${digest}&from=${repository}`);
    assert.equal((await ask(host, "DELETE", `/v2/${repository}/blobs/${digest}`)).status, 202);
    assert.equal((await ask(host, "GET", `/v2/${repository}/blobs/${digest}`)).status, 404);
    assert.equal((await ask(host, "DELETE", `/v2/${repository}/blobs/${digest}`)).status, 404);
    assert.equal((await ask(host, "GET", `/v2/${repository}/other/blobs/${digest}`)).status, 200);
  });
}
