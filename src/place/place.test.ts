import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeSuite } from "../../test/suites/place.ts";
import type { ContentStore } from "../store/face.ts";
import { openStore } from "../store/store.ts";
import { createLayout } from "./layout.ts";

let dir = "";
let store: ContentStore | undefined;
const fresh = () => (dir = mkdtempSync(join(tmpdir(), "nought-place-")));
const close = async () => {
  await store?.[Symbol.asyncDispose]();
  store = undefined;
  rmSync(dir, { recursive: true, force: true });
};

placeSuite("OCI layout", () => createLayout(join(fresh(), "layout")), close);
placeSuite("store", async () => (store = await openStore(join(fresh(), "store"))), close);
