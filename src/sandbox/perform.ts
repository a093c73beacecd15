import { spawnSync } from "node:child_process";
import { closeSync, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createPrivate, quietly, writeFully } from "../kit/atomic.ts";
import { Failure } from "../kit/error.ts";
import { uniqueToken } from "../kit/liveness.ts";
import { storageFailure } from "../kit/storage-failure.ts";
import { engineCommand } from "./engine.ts";
import { errnoName } from "./errno.ts";
import { installHelper } from "./helper.ts";
import { explain, type Table, TableBuilder } from "./table.ts";

/** A table for this machine's processor. */
export function newTable(): TableBuilder {
  return new TableBuilder(installHelper().architecture);
}

/** An operation that failed, by its number in the table. */
export class TableError extends Error {
  readonly operation: number;
  readonly errno: number;
  /** The error's name: `EPERM`. */
  readonly code: string;

  constructor(table: Table, operation: number, errno: number) {
    super(explain(table, operation, errno));
    this.name = "TableError";
    this.operation = operation;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

/**
 * Performs a table now, in a process of its own, and gives what it wrote to descriptor 1 (up to 1 GiB). A thousand calls take about a
 * millisecond. Throws TableError for the first call that failed, SANDBOX where the helper cannot be started at all.
 */
export function performTable(table: Table, stdin: "ignore" | "inherit" = "ignore"): Buffer {
  const fd = tableFile(table.bytes);
  try {
    const { command, args } = engineCommand();
    const ran = spawnSync(command, args, { stdio: [stdin, "pipe", "inherit", fd, "pipe"], maxBuffer: 2 ** 30 });
    if (ran.error) throw new Failure("SANDBOX", `the sandbox helper did not start: ${ran.error.message}`, { cause: ran.error });
    const report = ran.output[4] as unknown as Buffer;
    if (report.length >= 8) throw new TableError(table, report.readInt32LE(0), report.readInt32LE(4));
    if (ran.status !== 0) throw new Failure("SANDBOX", `the sandbox helper ended with ${ran.signal ?? ran.status}`);
    return ran.stdout;
  } finally {
    closeSync(fd);
  }
}

/** An open file without a name that holds the table: files are read however large they are, pipes only while somebody writes. */
function tableFile(bytes: Buffer): number {
  const path = join(installHelper().stage, "..", `table-${uniqueToken()}`);
  try {
    const fd = createPrivate(path);
    try {
      writeFully(fd, bytes);
      return openSync(path, "r");
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw storageFailure(error, "could not write", path);
  } finally {
    quietly(() => unlinkSync(path));
  }
}
