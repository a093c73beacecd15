import { type TarSink, TarWriter } from "../../format/tar-write.ts";
import type { Item, ItemSink } from "./item.ts";

/** Writes items as a tar archive: docker cp CONTAINER:PATH -. */
export class TarItems implements ItemSink {
  readonly #tar: TarWriter;

  constructor(sink: TarSink) {
    this.#tar = new TarWriter(sink);
  }

  begin(item: Item): Promise<void> {
    const { mode, uid, gid, mtime, size, kind, xattrs, target, major, minor } = item;
    return this.#tar.header({
      type: kind,
      path: kind === "dir" ? `${item.path}/` : item.path,
      mode,
      uid,
      gid,
      mtime: Math.max(0, mtime),
      size,
      ...(target === undefined ? {} : { link: target }),
      ...(major === undefined ? {} : { major }),
      ...(minor === undefined ? {} : { minor }),
      ...(xattrs === undefined ? {} : { xattrs }),
    });
  }

  data(chunk: Buffer): Promise<void> {
    return this.#tar.bytes(chunk);
  }

  done(): void {
    this.#tar.pad();
  }

  end(): Promise<void> {
    return this.#tar.end();
  }
}
