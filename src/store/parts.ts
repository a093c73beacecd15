import type { Blobs } from "./blobs.ts";
import type { Derived } from "./derived.ts";
import type { Layout } from "./layout.ts";
import type { Names } from "./names.ts";
import type { Records } from "./records.ts";
import type { Referrers } from "./referrers.ts";
import type { Session } from "./session.ts";

/** What a store is made of; handed to what works on the whole of it (collect, check, usage). */
export interface Parts {
  readonly layout: Layout;
  readonly session: Session;
  readonly blobs: Blobs;
  readonly names: Names;
  readonly records: Records;
  readonly referrers: Referrers;
  readonly derived: Derived;
}
