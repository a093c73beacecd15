import { readTar } from "../format/tar-read.ts";
import { Failure } from "../kit/error.ts";
import { printable } from "../kit/printable.ts";
import { type Paragraph, parseParagraphs } from "./deb822.ts";
import { isPackageName } from "./relation.ts";
import { isVersion } from "./version.ts";

/** What a package says of itself: the files of its control member. */
export interface DebControl {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** All fields of `control`, by their names in lower case. */
  readonly fields: Paragraph;
  /** `control` as it is, for the record of the package. */
  readonly text: string;
  /** Every file by its name: `md5sums`, `conffiles`, `postinst`, `triggers`… */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Bytes of all files of a control member. libc6, with its translated questions, has a quarter of a mebibyte. */
export const CONTROL_BYTES = 16 << 20;
/** Files in a control member. */
const MOST = 100;

/** Programs that dpkg would run while it installs or removes a package. nought never does. */
export const SCRIPTS = ["preinst", "postinst", "prerm", "postrm", "config"] as const;

/**
 * Reads the unpacked control member of a package (deb(5)): plain files in one folder, with `control` among them. Throws PACKAGE for
 * anything else, TAR for what is no archive.
 */
export async function readControl(source: AsyncIterable<Uint8Array>, label: string): Promise<DebControl> {
  const parts = new Map<string, Buffer[]>();
  let total = 0;
  let current: Buffer[] = [];
  for await (const { member, data } of readTar(source, label)) {
    if (data) {
      total += data.length;
      if (total > CONTROL_BYTES)
        throw new Failure("LIMIT", `${printable(label)}: its control files are larger than ${CONTROL_BYTES} bytes`);
      current.push(Buffer.from(data));
      continue;
    }
    const name = member.path.replace(/^(?:\.?\/)+/, "");
    if (member.type === "dir" && (name === "" || name === ".")) continue;
    if (member.type !== "file" || !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}$/.test(name))
      throw bad(label, `its control files hold "${printable(member.path.slice(0, 100))}", which is no plain file beside the others`);
    if (parts.has(name)) throw bad(label, `its control files hold ${name} twice`);
    if (parts.size >= MOST) throw bad(label, `it has more than ${MOST} control files`);
    current = [];
    parts.set(name, current);
  }
  const files = new Map([...parts].map(([name, pieces]) => [name, Buffer.concat(pieces)]));
  const text = files.get("control")?.toString("utf8");
  if (text === undefined) throw bad(label, "it has no control file");
  const [fields, ...more] = parseParagraphs(text, `${label}: control`, { fieldLength: 1 << 20 });
  if (fields === undefined || more.length > 0) throw bad(label, "its control file is not one paragraph");
  const name = fields.get("package") ?? "";
  const version = fields.get("version") ?? "";
  const architecture = fields.get("architecture") ?? "";
  if (!isPackageName(name)) throw bad(label, `its control file names the package "${printable(name.slice(0, 100))}"`);
  if (!isVersion(version)) throw bad(label, `its control file gives the version "${printable(version.slice(0, 100))}"`);
  if (!/^[a-z0-9][a-z0-9-]*$/.test(architecture)) throw bad(label, `it is for the architecture "${printable(architecture.slice(0, 100))}"`);
  return { name, version, architecture, fields, text, files };
}

function bad(label: string, what: string): Failure {
  return new Failure("PACKAGE", `${printable(label)}: ${what}`);
}
