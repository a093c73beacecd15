import type { SandboxSpec } from "./spec.ts";

/** A further process in a running sandbox. What is not here (mounts, namespaces, masks, control groups) it has from that. */
export type ExecSpec = Pick<
  SandboxSpec,
  "args" | "env" | "cwd" | "user" | "capabilities" | "seccomp" | "noNewPrivileges" | "terminal" | "limits"
>;

// Signatures to come (see docs/sandbox.md):
// execInside(target: ProcessIdentity, spec: ExecSpec, io: SandboxIo, task: Task): Promise<SandboxExit>
// execDetached(target: ProcessIdentity, spec: ExecSpec, task: Task): Promise<void>
