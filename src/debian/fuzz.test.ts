import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Failure } from "../kit/error.ts";
import { readInto } from "./apt-conf.ts";
import { parseAuthConf } from "./auth-conf.ts";
import { splitClearSigned } from "./clear-signed.ts";
import { parseParagraphs } from "./deb822.ts";
import { packPackages } from "./pack-index.ts";
import { openPackages } from "./package-index.ts";
import { parsePackages } from "./parse-packages.ts";
import { parseRelations } from "./relation.ts";
import { parseRelease } from "./release.ts";
import { parseSources, parseSourcesList } from "./sources.ts";
import { releaseText } from "./testing/mirror.ts";

// Whatever bytes come, the readers give a value or a Failure with printable words, and soon.

const SUM = "0".repeat(64);
const PACKAGES = `Package: hello\nVersion: 1:2.3-4+b1\nArchitecture: amd64\nMulti-Arch: same\nDepends: libc6 (>= 2.36), a | b:any,\n c\nProvides: x (= 1), y\nFilename: pool/h/hello_2.3_amd64.deb\nSize: 10\nSHA256: ${SUM}\nDescription: x\n y\n\nPackage: other\nVersion: 1\nArchitecture: all\nFilename: ./pool/o.deb\nSize: 1\nSHA256: ${SUM}\n`;
const RELEASE = releaseText("bookworm", [{ path: "main/binary-amd64/Packages.gz", bytes: Buffer.from("x") }], {
  "Valid-Until": "Sat, 11 Jul 2026 10:16:37 UTC",
});
const SIGNED = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${RELEASE}- -x\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n=abcd\n-----END PGP SIGNATURE-----\n`;
const SOURCES =
  "Types: deb\nURIs: http://x.invalid/debian\nSuites: bookworm\nComponents: main\nSigned-By: /k.gpg\n\n# c\nTypes: deb\nEnabled: no\n";
const LIST = "deb [arch=amd64 signed-by=/k.gpg] http://x.invalid/debian bookworm main # c\ndeb-src http://x.invalid a b\n";
const CONF = 'Acquire { http { Proxy "http://p"; }; /* c */ Languages { "none"; "de"; }; };\n// x\nA::B "c";\n#clear D;\n';
const AUTH = "machine a.invalid login b password c\n# d\nmachine http://e.invalid:1/f login g password h\n";

/** Some edits of a text: bytes changed, removed, doubled, and pieces that matter put in. */
function mutants(text: string): fc.Arbitrary<Buffer> {
  const piece = fc.oneof(
    fc.constantFrom(
      "\n",
      "\n\n",
      " ",
      ":",
      "-",
      "\0",
      "\u001b[2J",
      "\r\n",
      "-----BEGIN PGP SIGNATURE-----\n",
      "../",
      "(",
      "|",
      "ä",
      "\u202e",
      "{",
      '"',
      "9".repeat(40),
    ),
    fc.string({ maxLength: 8 }),
  );
  const edit = fc.tuple(fc.nat(text.length), fc.nat(12), piece);
  return fc.array(edit, { minLength: 1, maxLength: 5 }).map((edits) => {
    let out = text;
    for (const [at, length, put] of edits) out = `${out.slice(0, at)}${put}${out.slice(at + length)}`;
    return Buffer.from(out, "utf8");
  });
}

const READERS: readonly (readonly [name: string, seed: string, read: (bytes: Buffer) => unknown])[] = [
  ["InRelease", SIGNED, (bytes) => splitClearSigned(bytes, "InRelease")],
  ["Release", RELEASE, (bytes) => parseRelease(bytes.toString("utf8"), "Release")],
  ["Packages", PACKAGES, (bytes) => parsePackages(bytes, "s", "Packages", (record) => assert.ok(record.name))],
  ["an index", PACKAGES, readPacked],
  ["paragraphs", SOURCES, (bytes) => parseParagraphs(bytes.toString("utf8"), "f", { comments: true })],
  ["sources", SOURCES, (bytes) => parseSources(bytes.toString("utf8"), "f", () => {})],
  ["sources.list", LIST, (bytes) => parseSourcesList(bytes.toString("utf8"), "f", () => {})],
  ["apt.conf", CONF, (bytes) => readInto(new Map(), bytes.toString("utf8"))],
  ["auth.conf", AUTH, (bytes) => parseAuthConf(bytes.toString("utf8"))],
  ["relations", "libc6 (>= 2.36), a | b:any (<< 2), c", (bytes) => parseRelations(bytes.toString("utf8"), "Depends")],
];

for (const [name, seed, read] of READERS) {
  test(`fuzz: ${name}`, () => {
    read(Buffer.from(seed));
    fc.assert(
      fc.property(mutants(seed), (bytes) => {
        const start = performance.now();
        try {
          read(bytes);
        } catch (error) {
          assert.ok(error instanceof Failure, `${(error as Error).stack}`);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
          assert.ok(!/[\0-\x08\x0b-\x1f\x7f\u202e]/.test(error.message), JSON.stringify(error.message));
        }
        assert.ok(performance.now() - start < 1000);
      }),
      { numRuns: 400 },
    );
  });
}

test("fuzz: a damaged packed index is missing, or says so when a record is read", () => {
  const good = Buffer.concat(packPackages(Buffer.from(PACKAGES), "Packages"));
  const names = (bytes: Buffer) => {
    const index = openPackages((position, length) => bytes.subarray(position, position + length), "s", "amd64");
    return index && [...index.named("hello"), ...index.providing("y"), ...index.all()].map((one) => one.name);
  };
  assert.deepEqual(names(good), ["hello", "hello", "hello", "other"]);
  for (let at = 0; at < good.length; at++) {
    const bytes = Buffer.from(good);
    bytes[at] = (bytes[at] as number) ^ 0x41;
    try {
      assert.equal(names(bytes), undefined, `byte ${at}`);
    } catch (error) {
      assert.ok(error instanceof Failure && error.code === "PACKAGE", `byte ${at}: ${(error as Error).stack}`);
    }
    if (at % 7 === 0) assert.doesNotThrow(() => attempt(() => names(good.subarray(0, at))));
  }
});

test("an index of many slices is read whole", () => {
  const paragraph = (n: number) =>
    `Package: p${n}\nVersion: ${n}\nArchitecture: all\nFilename: pool/p${n}.deb\nSize: 1\nSHA256: ${SUM}\nDescription: ${"x".repeat(2000)}\n`;
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, n) => paragraph(n)).join("\n"));
  assert.ok(bytes.length > 2 * (4 << 20));
  let count = 0;
  parsePackages(bytes, "s", "Packages", (record) => assert.equal(record.name, `p${count++}`));
  assert.equal(count, 5000);
  const broken = Buffer.concat([bytes, Buffer.from("\nno field\n")]);
  assert.throws(
    () => parsePackages(broken, "s", "Packages", () => {}),
    (error: Error) => error.message.includes(`byte ${bytes.length + 1}:`),
  );
});

function readPacked(text: Buffer): void {
  const bytes = Buffer.concat(packPackages(text, "Packages"));
  const index = openPackages((position, length) => bytes.subarray(position, position + length), "s", "amd64");
  for (const name of ["hello", "other", "y"])
    for (const one of [...(index?.named(name) ?? []), ...(index?.providing(name) ?? [])]) assert.ok(one.name);
}

function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
}
