import { AT_FDCWD, MOVE_MOUNT_F_EMPTY_PATH, OPEN_TREE } from "./flags.ts";
import type { Privileges } from "./privileges.ts";
import type { SandboxSpec } from "./spec.ts";
import type { CallArchitecture } from "./syscall-numbers.ts";
import { type Address, type CallOptions, type Register, TableBuilder } from "./table.ts";

/** What the parts of a sandbox's table are written with: the second table, performed by the process that becomes the program. */
export interface InsideFacts {
  readonly spec: SandboxSpec;
  readonly privileges: Privileges;
  readonly architecture: CallArchitecture;
  /** Release of the running kernel. */
  readonly kernel: string;
  /** The directory that carries this sandbox's own tmpfs until the root is changed. */
  readonly stage: string;
  /** Which paths of the host's /proc and /sys are directories. */
  kindOf(path: string): "file" | "directory" | undefined;
  /** /proc of the machine instead of an own one, where the kernel does not allow that. */
  readonly bindProc: boolean;
}

/** A mount that is made and waits for its place. */
export interface WaitingMount {
  readonly mount: Register;
  readonly target: string;
  readonly label: string;
}

/** The table of the inner process while it is written. */
export class Inside implements InsideFacts {
  readonly table: TableBuilder;
  readonly spec: SandboxSpec;
  readonly privileges: Privileges;
  readonly architecture: CallArchitecture;
  readonly kernel: string;
  readonly stage: string;
  readonly bindProc: boolean;
  readonly kindOf: InsideFacts["kindOf"];
  /** For results that are used by the next call only. */
  readonly scratch: Register;
  /** Descriptors with numbers of their own so far. */
  descriptors = 0;
  #staged = 0;

  constructor(facts: InsideFacts) {
    this.table = new TableBuilder(facts.architecture);
    this.spec = facts.spec;
    this.privileges = facts.privileges;
    this.architecture = facts.architecture;
    this.kernel = facts.kernel;
    this.stage = facts.stage;
    this.bindProc = facts.bindProc;
    this.kindOf = (path) => facts.kindOf(path);
    this.scratch = this.table.register();
  }

  /** The path of something new on the sandbox's own tmpfs. */
  staged(): string {
    return `${this.stage}/${this.#staged++}`;
  }

  /** A new empty directory there. */
  stagedDirectory(): string {
    const path = this.staged();
    this.table.call("mkdirat", [AT_FDCWD, this.table.text(path), 0o755], { label: `mkdir ${path}` });
    return path;
  }

  /** Gives a mount a path on the stage, for what cannot be done with one that is attached nowhere. */
  attachStaged(mount: Register, label: string): string {
    const path = this.stagedDirectory();
    this.moveMount(mount, path, label);
    return path;
  }

  /** Makes a mount with mount(2), for what older kernels cannot do otherwise, and takes it off the path again. */
  classicMount(type: string, options: string, call: CallOptions): Register {
    const { table } = this;
    const path = this.stagedDirectory();
    table.call("mount", [table.text(type), table.text(path), table.text(type), 0, table.text(options)], call);
    return this.openTree(AT_FDCWD, path, OPEN_TREE.CLONE, call.label ?? type);
  }

  /** open_tree(2) into a new register. */
  openTree(from: Register | number, path: string, flags: number, label: string): Register {
    const into = this.table.register();
    this.table.call("open_tree", [from, this.table.text(path), flags | OPEN_TREE.CLOEXEC], { into, label: `open_tree ${label}` });
    return into;
  }

  /** Attaches a mount. */
  moveMount(mount: Register, target: string, label: string, flags = 0): void {
    const { table } = this;
    table.call("move_mount", [mount, table.text(""), AT_FDCWD, table.text(target), MOVE_MOUNT_F_EMPTY_PATH | flags], {
      label: `mount ${label}`,
    });
  }

  /** mount_setattr(2) on a mount's descriptor: attributes to set, and whether nothing is to be passed on from and to other mounts. */
  setAttributes(
    mount: Register,
    set: number,
    options: { readonly recursive?: boolean; readonly private?: boolean; readonly label: string },
  ): void {
    const { table } = this;
    const attributes: Address = table.words64(set, 0, options.private ? 1 << 18 : 0, 0);
    table.call("mount_setattr", [mount, table.text(""), 0x1000 | (options.recursive ? 0x8000 : 0), attributes, 32], {
      label: `mount_setattr ${options.label}`,
    });
  }
}
