import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../../test/refused.ts";
import { BLANK, Workbench } from "../../../test/workbench.ts";
import { parseDockerfile } from "../../dockerfile/parse.ts";
import { toProgram } from "../../dockerfile/program.ts";
import { Failure } from "../../kit/error.ts";
import type { ImageConfig } from "../../oci/config.ts";
import { type BuildGraph, type StagePlan, type StepOp } from "../graph.ts";
import type { BuildRequest } from "../request.ts";
import { type FindImage, plan } from "./plan.ts";

const AMD64 = { os: "linux", architecture: "amd64" } as const;
const NOTHING: BuildRequest = { context: { kind: "none" }, dockerfile: { kind: "text", text: "" }, ...BLANK };

/** Finds bases by name among configurations. */
function bases(known: Readonly<Record<string, Partial<ImageConfig>>> = {}): FindImage {
  return {
    async image(name, platform) {
      if (!Object.hasOwn(known, name)) throw new Failure("NOT_FOUND", `${name}: not found`);
      const config: ImageConfig = { ...platform, config: {}, rootfs: { type: "layers", diff_ids: [] }, history: [], ...known[name] };
      const descriptor = { mediaType: "", digest: `sha256:${"0".repeat(64)}` as never, size: 0 };
      return { name, image: { descriptor, configDescriptor: descriptor, config, layers: [] } };
    },
  };
}

async function planned(text: string, request: Partial<BuildRequest> = {}, find: FindImage = bases()): Promise<BuildGraph> {
  const program = toProgram(parseDockerfile(Buffer.from(text), "Dockerfile"));
  const [first] = program.errors;
  if (first) throw first;
  const whole = { ...NOTHING, ...request };
  return plan(program, whole, { build: AMD64, target: whole.platform ?? AMD64 }, find);
}

async function stage(text: string, request: Partial<BuildRequest> = {}, find?: FindImage): Promise<StagePlan> {
  const graph = await planned(text, request, find);
  return graph.stages.get(graph.target) as StagePlan;
}

async function run(text: string, request: Partial<BuildRequest> = {}): Promise<StepOp & { kind: "run" }> {
  const op = (await stage(text, request)).steps.at(-1)?.op;
  assert(op?.kind === "run");
  return op;
}

test("P10: doubling a variable again and again ends at a limit", async () => {
  const lines = Array.from({ length: 40 }, (_, n) => `ARG A${n + 1}=$A${n}$A${n}`);
  const bomb = (instruction: string) => `FROM scratch\nARG A0=xxxxxxxxxx\n${lines.join("\n").replaceAll("ARG", instruction)}\n`;
  for (const instruction of ["ARG", "ENV"])
    await assert.rejects(planned(bomb(instruction)), (error: Failure) => {
      assert.ok(["EXPANSION", "LIMIT"].includes(error.code), error.code);
      assert.match(error.message, /1048576|1 MiB/);
      assert.match(error.excerpt ?? "", />>> (?:ARG|ENV) A\d+=/);
      return true;
    });
});

test("P13: stages named twice, in other case, by number, later, oneself, scratch", async () => {
  const graph = await planned("FROM scratch AS One\nENV A=1\nFROM scratch AS one\nENV A=2\nFROM one\nENV B=$A\n");
  assert.deepEqual((graph.stages.get(2) as StagePlan).base, { kind: "stage", index: 1 });
  assert.equal((graph.stages.get(2) as StagePlan).config.Env?.at(-1), "B=2");
  assert.equal(graph.stages.has(0), false, "the first of two equal names is hidden");
  for (const [text, code, words] of [
    ["FROM scratch AS a\nCOPY --from=a /x /\n", "SYNTAX", /circular dependency detected on stage: a/],
    ["FROM scratch AS a\nCOPY --from=A /x /\n", "SYNTAX", /circular dependency/],
    ["FROM scratch\nCOPY --from=0 /x /\n", "SYNTAX", /circular dependency/],
    ["FROM scratch\nCOPY --from=1 /x /\n", "SYNTAX", /invalid stage index 1/],
    ["FROM scratch\nCOPY --from=1 /x /\nFROM scratch\nCOPY --from=0 /x /\n", "PLAN", /invalid stage index 1/],
    ["FROM scratch AS a\nCOPY --from=b /x /\nFROM scratch AS b\nCOPY --from=a /x /\n", "PLAN", /stage "b" is defined after it is used/],
    ["FROM scratch\nCOPY --from=nobody /x /\n", "NOT_FOUND", /nobody/],
    ["FROM nobody\n", "NOT_FOUND", /nobody/],
    ["FROM scratch AS 1\n", "SYNTAX", /invalid name for build stage/],
    ["FROM scratch AS scratch\n", "RESERVED", /'?scratch'? is (?:a )?reserved/],
    ["FROM scratch\nRUN --mount=type=bind,from=0,target=/x true\n", "PLAN", /circular dependency|invalid stage index/],
  ] as const)
    await assert.rejects(planned(text), (error: Failure) => {
      refused(code, words)(error);
      assert.ok(error.source !== undefined && error.excerpt?.includes(">>>"), text);
      return true;
    });
});

test("P13: a named context hides a stage, and takes part in no circle", async () => {
  const contexts = { one: { kind: "dir", path: "/nowhere" } } as const;
  const graph = await planned("FROM scratch AS one\nENV A=1\nFROM one\nCOPY --from=one x /\n", { contexts });
  const target = graph.stages.get(1) as StagePlan;
  assert.deepEqual([...graph.stages.keys()], [1]);
  const inputs = target.steps.map(({ op }) => (op.kind === "files" && op.actions[0]?.do === "copy" ? op.actions[0].input.from : op.kind));
  assert.deepEqual(inputs, ["named", "named"]);
});

test("P15: names that JavaScript's objects have are names like others", async () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const text = [
    `FROM scratch AS ${names[1]}`,
    ...names.flatMap((name) => [`ARG ${name}=a`, `ENV ${name}=e`, `LABEL ${name}=l`, `VOLUME /${name}`]),
    `FROM ${names[1]}`,
  ].join("\n");
  const { config } = await stage(text, {
    labels: Object.fromEntries([["__proto__", "x"]]),
    buildArgs: JSON.parse('{"__proto__":"given"}'),
  });
  assert.deepEqual(
    config.Env?.slice(1),
    names.map((name) => `${name}=e`),
  );
  assert.deepEqual(Object.keys(config.Labels ?? {}), names);
  assert.equal(({} as Record<string, unknown>)["a"], undefined);
  assert.equal(Object.getPrototypeOf({}), Object.prototype);
  await assert.rejects(planned("FROM scratch\nCOPY --from=constructor x /\n"), refused("NOT_FOUND", /constructor/));
  await assert.rejects(planned("FROM scratch\n", { target: "constructor" }), refused("NOT_FOUND", /target stage "constructor"/));
});

/** Empty, and so that the reader of instructions cannot know it. */
const VARIABLE = "${E}";

test("P17: numbers beyond their range are refused and never wrap", async () => {
  const cases: [string, RegExp][] = [
    ["EXPOSE 70000", /70000/],
    ["EXPOSE 65536/udp", /65536/],
    ["EXPOSE 1-99999", /1-99999/],
    ["EXPOSE 90-80", /90-80/],
    ["EXPOSE -1", /-1/],
    ["USER 4294967296", /range 0-2147483647/],
    ["USER -1", /range 0-2147483647/],
    ["USER 1:99999999999999999999", /range 0-2147483647/],
    ["STOPSIGNAL 999", /999/],
    ["STOPSIGNAL 0", /\b0\b/],
    ["STOPSIGNAL SIGNOTHING", /SIGNOTHING/],
    ["COPY --chmod=99999 x /", /07777/],
    ["COPY --chmod=8 x /", /octal/],
    ["COPY --chmod=77777 x /", /07777/],
  ];
  for (const [line, words] of cases) {
    await assert.rejects(planned(`FROM scratch\n${line}\n`), refused("SYNTAX", words), line);
    const [name = "", ...rest] = line.split(" ");
    const late = name === "COPY" ? line.replace("--chmod=", `--chmod=${VARIABLE}`) : `${name} ${VARIABLE}${rest.join(" ")}`;
    await assert.rejects(planned(`FROM scratch\nARG E\n${late}\n`), refused("PLAN", words), late);
  }
  await assert.rejects(planned("FROM scratch\nHEALTHCHECK --interval=-1s CMD x\n"), refused("SYNTAX", /interval/));
  await assert.rejects(planned("FROM scratch\nHEALTHCHECK --retries=-1 CMD x\n"), refused("SYNTAX", /retries|-1/));
  await assert.rejects(planned("FROM scratch\nRUN --mount=type=tmpfs,target=/x,size=1e99 x\n"), refused("SYNTAX", /size/));
  await assert.rejects(planned("FROM scratch\nRUN --mount=type=cache,target=/x,uid=4294967296 x\n"), refused("SYNTAX", /uid/));
  for (const line of ["EXPOSE 65535/sctp", "USER 2147483647:0", "STOPSIGNAL 64", "STOPSIGNAL RTMIN+3", "COPY --chmod=07777 x /"])
    await planned(`FROM scratch\n${line}\n`);
});

test("P18: triggers of a base are bounded, and their mistakes name the base", async () => {
  const many = bases({ base: { config: { OnBuild: Array.from({ length: 10_000 }, () => "ENV A=b") } } });
  await assert.rejects(planned("FROM base\n", {}, many), refused("LIMIT", /1000 ONBUILD/));
  for (const trigger of ["FROM x", "ONBUILD ENV A=b", "NOTHING x", "", "COPY"]) {
    const find = bases({ base: { config: { OnBuild: [trigger] } } });
    await assert.rejects(planned("FROM base\n", {}, find), refused("SYNTAX", /the base image brings a broken ONBUILD trigger/), trigger);
  }
});

test("ONBUILD: triggers of an image, and of a stage, run once where it is built upon", async () => {
  const find = bases({ base: { config: { OnBuild: ["ARG V=1", "ENV A=$V", "COPY src /src"] } } });
  const one = await stage("FROM base\nENV B=$A\n", { buildArgs: { V: "2" } }, find);
  assert.deepEqual(one.config.Env?.slice(1), ["A=2", "B=2"]);
  assert.equal(one.config.OnBuild, undefined);
  assert.deepEqual(
    one.history.map((entry) => [entry.created_by, entry.empty_layer]),
    [
      ["ARG V=2", true],
      ["ENV A=2", true],
      ["COPY src /src # buildkit", undefined],
      ["ENV B=2", true],
    ],
  );
  const graph = await planned("FROM scratch AS lib\nONBUILD ENV A=b\nONBUILD WORKDIR /w\nFROM lib AS app\nFROM app\n");
  assert.equal((graph.stages.get(0) as StagePlan).config.OnBuild?.length, 2);
  assert.equal((graph.stages.get(1) as StagePlan).config.Env?.at(-1), "A=b");
  assert.equal((graph.stages.get(2) as StagePlan).steps.length, 0);
});

test("ARG and ENV: who sees what", async () => {
  const global = "ARG G=global\nARG H=$G-2\n";
  const env = async (text: string, request?: Partial<BuildRequest>, find?: FindImage) =>
    (await stage(text, request, find)).config.Env?.filter((line) => !line.startsWith("PATH="));
  assert.deepEqual(await env(`${global}FROM scratch\nENV A=[$G]\n`), ["A=[]"], "a stage asks for a global ARG");
  assert.deepEqual(await env(`${global}FROM scratch\nARG G\nARG H\nENV A=$G B=$H\n`), ["A=global", "B=global-2"]);
  assert.deepEqual(await env(`${global}FROM scratch\nARG G=own\nENV A=$G\n`), ["A=own"]);
  assert.deepEqual(await env(`${global}FROM scratch\nARG G=own\nENV A=$G\n`, { buildArgs: { G: "given" } }), ["A=given"]);
  assert.deepEqual(await env("FROM scratch\nARG X=arg\nENV X=env\nENV A=$X\n", { buildArgs: { X: "given" } }), ["X=env", "A=env"]);
  assert.deepEqual(await env("FROM scratch\nENV X=env\nARG X=arg\nENV A=$X\n"), ["X=env", "A=arg"], "the later one, as in BuildKit");
  assert.deepEqual(await env("FROM scratch AS a\nARG X=1\nENV Y=2\nFROM a\nENV A=[$X] B=$Y\n"), ["Y=2", "A=[1]", "B=2"], "as in BuildKit");
  assert.deepEqual(await env("FROM scratch AS a\nARG X=1\nFROM scratch\nENV A=[$X]\n"), ["A=[]"]);
  assert.deepEqual(await env("FROM base\nENV A=$FROM_BASE\n", {}, bases({ base: { config: { Env: ["FROM_BASE=1", "A=old"] } } })), [
    "FROM_BASE=1",
    "A=1",
  ]);
  assert.deepEqual(await env("FROM scratch\nENV A=1 B=$A\n"), ["A=1", "B="], "one instruction sees what was before it");
  assert.deepEqual(await env("FROM scratch\nARG EMPTY\nENV A=${EMPTY:-x} B=${EMPTY-x}\n"), ["A=x", "B=x"]);
});

test("platform arguments: predefined, global ones only on demand, another platform", async () => {
  const text =
    "FROM --platform=$BUILDPLATFORM base\nARG TARGETPLATFORM\nARG TARGETARCH\nARG TARGETVARIANT\nARG BUILDPLATFORM\nENV A=$TARGETPLATFORM/$TARGETARCH/$TARGETVARIANT B=$BUILDPLATFORM C=[$TARGETOS]\n";
  const arm = { os: "linux", architecture: "arm", variant: "v7" } as const;
  const { config, platform } = await stage(text, { platform: arm }, bases({ base: {} }));
  assert.deepEqual(config.Env?.slice(1), ["A=linux/arm/v7/arm/v7", "B=linux/amd64", "C=[]"]);
  assert.deepEqual(platform, AMD64, "the image is what its base is");
  assert.deepEqual((await stage("FROM scratch\n", { platform: arm })).platform, arm);
  await assert.rejects(planned("FROM --platform=wrong/x/y/z scratch\n"), (error: Failure) => error.excerpt?.includes(">>> FROM") ?? false);
});

test("RUN: what is to be executed, with docker's history", async () => {
  const { args, env, cwd, user, network, security } = await run(
    'FROM scratch\nARG A\nARG B=1\nENV B=2\nARG C=c\nWORKDIR /w\nUSER 5:6\nRUN --network=none --security=sandbox echo $A "$C"\n',
    { buildArgs: { C: "cc" } },
  );
  assert.deepEqual(args, ["/bin/sh", "-c", 'echo $A "$C"']);
  assert.deepEqual([cwd, user, network, security], ["/w", "5:6", "none", "sandbox"]);
  assert.ok(env.includes("B=2") && env.includes("C=cc"), env.join());
  const history = async (text: string) => (await stage(`FROM scratch\nARG A\nARG B=1\nENV B=2\n${text}`)).history.at(-1)?.created_by;
  assert.equal(await history("RUN true $A\n"), "RUN |2 A= B=2 /bin/sh -c true $A # buildkit");
  assert.equal(await history('RUN ["/bin/true","$A"]\n'), "RUN |2 A= B=2 /bin/true $A # buildkit");
  assert.equal(await history('SHELL ["/bin/sh","-e","-c"]\nRUN <<E\none\ntwo\nE\n'), "RUN |2 A= B=2 /bin/sh -e -c one\ntwo\n # buildkit");
  assert.equal(await history("RUN <<'E' cat > /f\n x $A\nE\n"), "RUN |2 A= B=2 /bin/sh -c <<'E' cat > /f\n x $A\nE # buildkit");
  assert.equal(await history('RUN <<-"E F"\n\tx\n\tE F\n'), "RUN |2 A= B=2 /bin/sh -c x\n # buildkit");
});

test("RUN with a heredoc that says who reads it becomes a program", async () => {
  const { args, files } = await run("FROM scratch\nRUN <<SCRIPT\n#!/bin/python\nprint(1)\nSCRIPT\n");
  assert.deepEqual(args, ["/bin/sh", "-c", "/dev/pipes/SCRIPT"]);
  assert.deepEqual(files, [{ path: "/dev/pipes/SCRIPT", text: "#!/bin/python\nprint(1)\n" }]);
});

test("RUN --mount: options with variables are read when their values are known", async () => {
  const text = (options: string) =>
    `FROM scratch AS src\nFROM scratch\nARG T=/target\nARG K=cache\nARG RO=true\nARG N=0755\nRUN --mount=${options} true\n`;
  const mount = async (options: string, request?: Partial<BuildRequest>) => {
    const { mounts, inputs } = await run(text(options), request);
    return { ...mounts[0], inputs: inputs.map((input) => input.from) };
  };
  assert.deepEqual(await mount("type=$K,target=$T,id=i-$K,mode=$N,sharing=locked"), {
    type: "cache",
    target: "/target",
    id: "i-cache",
    mode: 0o755,
    sharing: "locked",
    readonly: false,
    inputs: [],
  });
  assert.deepEqual(await mount("type=bind,from=src,source=$T/x,target=$T,readonly=$RO"), {
    type: "bind",
    from: "src",
    source: "/target/x",
    target: "/target",
    readonly: true,
    inputs: ["stage"],
  });
  assert.deepEqual((await mount("target=/x")).inputs, ["context"]);
  for (const [options, request, words] of [
    ["type=$K,target=/x", { buildArgs: { K: "nonsense" } }, /unsupported mount type "nonsense"/],
    ["type=cache,target=$T", { buildArgs: { T: "/" } }, /invalid mount target "\/"/],
    ["type=cache,target=/x,mode=$N", { buildArgs: { N: "9" } }, /invalid value 9 for mode/],
    ["type=cache,target=/x,id=$K", { buildArgs: { K: "../x" } }, /invalid mount id/],
  ] as const)
    await assert.rejects(planned(text(options), request), (error: Failure) => {
      refused("PLAN", words)(error);
      return error.excerpt?.includes(">>> RUN --mount") ?? false;
    });
});

test("a RUN of a stage that nothing needs is not performed", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { f: "x" });
  const text = "FROM scratch AS builder\nRUN make\nFROM scratch AS app\nCOPY f /\nFROM app\nCOPY --from=builder /out /\n";
  assert.equal((await bench.build(dir, text, { target: "app" })).result.built.layers.length, 1);
});

test("--target: by name in any case, by number of nothing; unknown ones are listed", async () => {
  const text = "FROM scratch AS One\nENV A=1\nFROM scratch\nENV A=2\nFROM scratch AS three\nENV A=3\n";
  const a = async (target?: string) => (await stage(text, target === undefined ? {} : { target })).config.Env?.at(-1);
  assert.deepEqual([await a("one"), await a("ONE"), await a("three"), await a(""), await a()], ["A=1", "A=1", "A=3", "A=3", "A=3"]);
  await assert.rejects(planned(text, { target: "two" }), refused("NOT_FOUND", /target stage "two" could not be found/, /one, 1, three/));
});

test("history: instructions that add no layer say so, those of the base come first", async () => {
  const find = bases({ base: { history: [{ created_by: "base", created: "2001-01-01T00:00:00Z" }], author: "somebody" } });
  const { history, author, inherited } = await stage(
    "FROM base\nWORKDIR /\nWORKDIR /w\nCOPY x /\nLABEL a=b\nCMD x\nMAINTAINER me\n",
    {},
    find,
  );
  assert.equal(inherited, 1);
  assert.equal(author, "me");
  assert.deepEqual(
    history.map((entry) => entry.empty_layer ?? false),
    [false, true, false, false, true, true, true],
  );
});

test("C21: --chown and USER by name need a passwd that can be read", async () => {
  await using bench = new Workbench();
  const dir = bench.folder("context", { f: "x", passwd: "app:x:7:8::/:/x\n", d: {}, big: Buffer.alloc((10 << 20) + 1) });
  const chown = "COPY --chown=app f /f\n";
  for (const [before, code, words] of [
    ["", "PLAN", /there is no \/etc\/passwd to look it up in/],
    ["COPY d /etc/passwd/\n", "PLAN", /\/etc\/passwd of the image is not a regular file/],
    ["COPY big /etc/passwd\n", "LIMIT", /\/etc\/passwd of the image is larger than 10485760 bytes/],
    ["COPY f /etc/passwd\n", "PLAN", /unable to find user app/],
  ] as const)
    await assert.rejects(bench.build(dir, `FROM scratch\n${before}${chown}`), refused(code, words), before);
  const { get } = await bench.build(dir, `FROM scratch\nCOPY passwd /etc/passwd\n${chown}`);
  assert.deepEqual([(await get("/f"))?.uid, (await get("/f"))?.gid], [7, 8]);
});
