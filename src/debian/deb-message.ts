import type { ErrorCode } from "../kit/codes.ts";
import { Failure } from "../kit/error.ts";
import type { Digest } from "../oci/digest.ts";
import type { Deb } from "./deb.ts";
import type { LockEntry } from "./face.ts";

/** What a thread is asked for: one package that is on the disk. */
export interface DebRequest {
  readonly path: string;
  readonly label: string;
  readonly expect: LockEntry;
  /** Bytes of its plain data archive that may stay in memory; a larger one goes into the file `spill`, which is made only then. */
  readonly memory: number;
  readonly spill: string;
}

/**
 * What a thread answers. Contents of the package's files are views of one buffer, which is handed over with the message, or addresses in
 * `files`.
 */
export type DebAnswer =
  | {
      readonly deb: Deb;
      /** Bytes that are in memory, all in one buffer. */
      readonly held: number;
      readonly files: readonly (readonly [Digest, string])[];
      readonly notes: readonly string[];
    }
  | { readonly failure: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } }
  | { readonly error: string };

/** A failure as plain data, for another thread. Mistakes of ours are told as such. */
export function packFailure(error: unknown): DebAnswer {
  if (!(error instanceof Failure)) return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  const { code, message, hint } = error;
  return { failure: { code, message, ...(hint === undefined ? {} : { hint }) } };
}
