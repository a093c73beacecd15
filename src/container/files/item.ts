/** One thing that is copied, wherever from. */
export interface Item {
  /** Relative, `/`-separated, without `.` and `..` parts; `.` is the place itself that things are copied to. */
  readonly path: string;
  readonly kind: "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";
  /** Permission bits (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Bytes of a file, 0 for all others. */
  readonly size: number;
  /** Of a symbolic link: what it says. Of a hard link: the path of an item that came before. */
  readonly target?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** Takes items one after the other: each is begun, gets its bytes if it is a file, and is done. */
export interface ItemSink {
  begin(item: Item): void | Promise<void>;
  /** The chunk may be reused after the call. */
  data(chunk: Buffer): void | Promise<void>;
  done(): void | Promise<void>;
  /** After the last. */
  end(): void | Promise<void>;
}

/** Counts what goes by, as the bytes of a tar: what docker tells at the end. */
export function counting(sink: ItemSink, count: (bytes: number) => void): ItemSink {
  return {
    begin(item) {
      count(512 + Math.ceil(item.size / 512) * 512);
      return sink.begin(item);
    },
    data: (chunk) => sink.data(chunk),
    done: () => sink.done(),
    end() {
      count(1024);
      return sink.end();
    },
  };
}
