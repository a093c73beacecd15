import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { refused } from "../../test/refused.ts";
import { BLANK, type Outcome, Workbench } from "../../test/workbench.ts";
import { validateImage } from "../image/validate.ts";
import { parseReference, withDefaultTag } from "../oci/reference.ts";
import { openLayout } from "../place/layout.ts";
import { loadArchive } from "../place/load.ts";
import { createTask } from "../task/task.ts";
import { toPath } from "../tree/path.ts";
import type { OutputRequest } from "./request.ts";

const task = createTask();
const DOCKERFILE = 'FROM scratch\nCOPY d /d\nCOPY f /f\nCMD ["/f"]\n';
const name = (text: string) => withDefaultTag(parseReference(text));
const output = (type: OutputRequest["type"], dest: string | undefined, rest: Partial<OutputRequest> = {}): OutputRequest => ({
  type,
  names: [],
  force: false,
  directory: false,
  ...(dest === undefined ? {} : { dest }),
  ...rest,
});

async function withContext(use: (bench: Workbench, dir: string, at: (path: string) => string) => Promise<void>): Promise<void> {
  await using bench = new Workbench();
  const dir = bench.folder("context", { d: { x: "ex".repeat(2000), y: "why" }, f: "file" });
  symlinkSync("x", join(dir, "d/link"));
  await use(bench, dir, (path) => join(bench.dir, path));
}

const mediaTypes = async (path: string): Promise<string[]> => {
  const layout = await openLayout(path);
  const [root] = (await layout.index()).manifests;
  assert(root);
  assert.deepEqual(
    (await validateImage(layout, root, task)).filter((one) => one.level === "error"),
    [],
  );
  const chunks: Uint8Array[] = [];
  await using bytes = await layout.open(root);
  for await (const chunk of bytes.read()) chunks.push(chunk);
  const manifest = JSON.parse(Buffer.concat(chunks).toString()) as { layers: { mediaType: string }[] };
  return manifest.layers.map((layer) => layer.mediaType.replace("application/vnd.oci.image.layer.v1.", ""));
};

test("an OCI folder with layers in the compression that was asked for; the image ID stays", async () => {
  await withContext(async (bench, dir, at) => {
    const ids = new Set<string>();
    const cases: [Partial<OutputRequest>, string][] = [
      [{}, "tar+gzip"],
      [{ compression: "uncompressed" }, "tar"],
      [{ compression: "gzip", level: 1 }, "tar+gzip"],
      [{ compression: "zstd", level: 19 }, "tar+zstd"],
      [{ compression: "zstd", force: true }, "tar+zstd"],
    ];
    for (const [at_, [options, type]] of cases.entries()) {
      const dest = at(`layout${at_}`);
      const { result } = await bench.build(dir, DOCKERFILE, { outputs: [output("oci", dest, { directory: true, ...options })] });
      assert.deepEqual(await mediaTypes(dest), [type, type]);
      ids.add(result.assembled.image.configDescriptor.digest);
    }
    assert.equal(ids.size, 1);
    assert.equal((await (await bench.store).names()).length, 0, "what goes elsewhere gets no name in the store");
  });
});

test("archives of both kinds load again under their names, and are the same each time", async () => {
  await withContext(async (bench, dir, at) => {
    for (const type of ["oci", "docker"] as const) {
      const archives: Buffer[] = [];
      for (const turn of [1, 2]) {
        const dest = at(`${type}${turn}.tar`);
        await bench.build(dir, DOCKERFILE, {
          names: [name("app:1")],
          outputs: [output(type, dest, { names: [name("example.com/also")] })],
        });
        archives.push(readFileSync(dest));
      }
      assert.ok(archives[0]?.equals(archives[1] as Buffer));
      await using other = new Workbench();
      await loadArchive(await other.store, { path: at(`${type}1.tar`) }, task);
      assert.deepEqual(
        (await (await other.store).names()).map((one) => one.name.repository),
        ["library/app", "also"],
      );
      assert.deepEqual(
        (await (await other.store).check()).filter((one) => one.level === "error"),
        [],
      );
    }
  });
});

test("a folder and a tar hold the merged files", async () => {
  await withContext(async (bench, dir, at) => {
    await bench.build(dir, `${DOCKERFILE}COPY f /d/x\n`, { outputs: [output("local", at("out")), output("tar", at("out.tar"))] });
    assert.deepEqual(readdirSync(at("out"), { recursive: true }).sort(), ["d", "d/link", "d/x", "d/y", "f"]);
    assert.equal(readFileSync(at("out/d/link"), "utf8"), "file");
    assert.equal(execFileSync("tar", ["-xOf", at("out.tar"), "d/x"], { encoding: "utf8" }), "file");
  });
});

test("several outputs at once, the store among them", async () => {
  await withContext(async (bench, dir, at) => {
    await bench.build(dir, DOCKERFILE, {
      names: [name("app")],
      outputs: [
        output("image", undefined, { names: [name("second")] }),
        output("oci", at("a.tar")),
        output("docker", at("b.tar")),
        output("tar", at("c.tar")),
        output("local", at("d")),
      ],
    });
    assert.deepEqual(
      (await (await bench.store).names()).map((one) => one.name.repository),
      ["library/app", "library/second"],
    );
    for (const path of ["a.tar", "b.tar", "c.tar", "d/f"]) assert.ok(statSync(at(path)).size > 0, path);
  });
});

/** Everything in a folder but the parts that tests use. */
const others = (bench: Workbench) =>
  readdirSync(bench.dir)
    .filter((one) => !["context", "store"].includes(one))
    .sort();

test("A3: when one output fails, no file has appeared, no old one has changed and no name has moved", async () => {
  await withContext(async (bench, dir, at) => {
    const before = await bench.build(dir, "FROM scratch\n", { names: [name("app")] });
    writeFileSync(at("old.tar"), "old");
    mkdirSync(at("folder"));
    const bad: [OutputRequest, string, RegExp][] = [
      [output("tar", at("missing/out.tar")), "STORAGE", /missing\/out\.tar.*no such file/],
      [output("docker", at("folder")), "STORAGE", /folder: is a directory/],
      [output("oci", at("old.tar/below")), "STORAGE", /below.*not a directory/],
      [output("oci", dir, { directory: true }), "MANIFEST", /not empty and no OCI layout/],
      [output("local", at("old.tar")), "STORAGE", /old\.tar/],
    ];
    for (const [wrong, code, words] of bad) {
      for (const outputs of [
        [output("image", undefined), output("oci", at("old.tar")), output("tar", at("new.tar")), wrong],
        [wrong, output("image", undefined)],
      ]) {
        await assert.rejects(bench.build(dir, DOCKERFILE, { names: [name("app")], outputs }), refused(code, words));
        assert.deepEqual(others(bench), ["folder", "old.tar"]);
        assert.equal(readFileSync(at("old.tar"), "utf8"), "old");
        assert.equal((await (await bench.store).resolve(name("app"), task))?.digest, before.digest);
      }
    }
  });
});

test("S27: a build whose last stage fails, or which is cancelled at the end, moves nothing", async () => {
  await withContext(async (bench, dir, at) => {
    const before = await bench.build(dir, "FROM scratch\n", { names: [name("app")] });
    writeFileSync(at("old.tar"), "old");
    const outputs = [output("image", undefined), output("oci", at("old.tar"))];
    await assert.rejects(
      bench.build(dir, `${DOCKERFILE}COPY missing /\n`, { names: [name("app")], outputs }),
      refused("NOT_FOUND", /missing/),
    );
    const { build } = await import("./build.ts");
    for (const when of ["exporting to oci image format", "exporting to image"]) {
      const abort = new AbortController();
      const cancelling = createTask((event) => {
        if (event.type === "step" && event.label === when && event.state === "started") abort.abort();
      }, abort.signal);
      const request = {
        ...BLANK,
        context: { kind: "dir", path: dir },
        dockerfile: { kind: "text", text: `${DOCKERFILE}LABEL w="${when}"\n` },
        names: [name("app")],
        outputs,
      } as const;
      const ended = await build(request, await bench.store, cancelling).then(
        () => "done",
        (error: { code: string }) => error.code,
      );
      if (when === "exporting to image" && ended === "done") continue;
      assert.equal(ended, "INTERRUPTED", when);
      assert.equal((await (await bench.store).resolve(name("app"), task))?.digest, before.digest, when);
      assert.equal(readFileSync(at("old.tar"), "utf8"), "old", when);
    }
    assert.deepEqual(others(bench), ["old.tar"]);
  });
});

test("P20: outputs inside the context are not part of the image that writes them", async () => {
  await withContext(async (bench, dir) => {
    const all = "FROM scratch\nCOPY . /\n";
    const first = await bench.build(dir, all, { sourceDateEpoch: 1 });
    const inside = (path: string) => join(dir, path);
    const outputs = [
      output("local", inside("out")),
      output("oci", inside("image.tar")),
      output("oci", inside("layout"), { directory: true }),
    ];
    const second = await bench.build(dir, all, { sourceDateEpoch: 1, outputs });
    assert.equal(second.digest, first.digest);
    assert.ok(existsSync(inside("out/f")) && existsSync(inside("image.tar")));
    const paths = async (outcome: Outcome) => (await outcome.entries()).map((entry) => entry.path);
    const third = await bench.build(dir, all, { sourceDateEpoch: 1 });
    assert.ok((await paths(third)).includes(toPath("/out/f")), "the next build finds them, as any file");
    writeFileSync(inside(".dockerignore"), "out\nimage.tar\nlayout\n.dockerignore\n");
    assert.equal((await bench.build(dir, all, { sourceDateEpoch: 1 })).digest, first.digest);
    rmSync(inside("out"), { recursive: true });
  });
});
