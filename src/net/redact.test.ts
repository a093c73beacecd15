import assert from "node:assert/strict";
import { test } from "node:test";
import { redactUrl } from "./redact.ts";

test("a signed address is told without what lets somebody in", () => {
  const shown = (query: string) => redactUrl(`https://bucket.example/blob?${query}`).slice("https://bucket.example/blob?".length);
  assert.equal(
    shown("X-Amz-Algorithm=AWS4&X-Amz-Credential=AKIA%2Feu&X-Amz-Signature=beef"),
    "X-Amz-Algorithm=AWS4&X-Amz-Credential=xxxxx&X-Amz-Signature=xxxxx",
  );
  assert.equal(shown("se=2026&sp=r&sig=abc%3D"), "se=2026&sp=r&sig=xxxxx");
  assert.equal(shown("Policy=a&Signature=b&Key-Pair-Id=c#frag"), "Policy=xxxxx&Signature=xxxxx&Key-Pair-Id=xxxxx#frag");
  assert.equal(shown("private_token=glpat&ref=main&access-token=1&token=2"), "private_token=xxxxx&ref=main&access-token=xxxxx&token=xxxxx");
  assert.equal(shown("version=1&page=2&flag&broken=token=x"), "version=1&page=2&flag&broken=token=x");
  assert.equal(redactUrl("https://me:pw@host/x?token=1"), "https://xxxxx:xxxxx@host/x?token=xxxxx");
});
