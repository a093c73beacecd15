import type { Command, CommandLine } from "../../dockerfile/command.ts";
import { expandWords } from "../../dockerfile/expand.ts";
import { parseId } from "../../format/passwd.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { goHealthcheck, goList, goQuoteList } from "./history.ts";
import { exposedPorts } from "./ports.ts";
import { signalNumber } from "./signals.ts";
import { type StageState, withEnv } from "./state.ts";

const DEFAULT_SHELL = ["/bin/sh", "-c"];

/** An exec form as it is, a shell form with the stage's SHELL before it. */
export function argsOf(state: StageState, line: CommandLine): readonly string[] {
  if (!line.shell) return line.words;
  return [...(state.config.Shell ?? DEFAULT_SHELL), line.words.join(" ")];
}

/** The instructions that only change the configuration. False for any other. */
export function planConfig(state: StageState, command: Command): boolean {
  switch (command.kind) {
    case "arg":
      return arg(state, command);
    case "env": {
      const pairs = command.pairs.map(({ key, value }) => [state.expand(key), state.expand(value)] as const);
      let env = state.config.Env ?? [];
      for (const [key, value] of pairs) {
        if (key === "") throw new Failure("PLAN", "ENV names can not be blank");
        env = withEnv(env, key, value);
        state.scope.setEnv(key, value);
      }
      state.configure(`ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`, { Env: env });
      return true;
    }
    case "label": {
      const pairs = command.pairs.map(({ key, value }) => [state.expand(key), state.expand(value)] as const);
      if (pairs.some(([key]) => key === "")) throw new Failure("PLAN", "LABEL names can not be blank");
      const labels = Object.fromEntries([...Object.entries(state.config.Labels ?? {}), ...pairs]);
      state.configure(`LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(" ")}`, { Labels: labels });
      return true;
    }
    case "maintainer":
      state.author = command.name;
      state.configure(`MAINTAINER ${command.name}`, {});
      return true;
    case "user": {
      const user = state.expand(command.user);
      checkUser(user);
      state.configure(`USER ${user}`, { User: user === "" ? undefined : user });
      return true;
    }
    case "cmd": {
      const args = argsOf(state, command.line);
      state.cmdSet = true;
      state.configure(`CMD ${goQuoteList(args)}`, { Cmd: args.length > 0 ? args : undefined, ArgsEscaped: true });
      return true;
    }
    case "entrypoint": {
      const args = argsOf(state, command.line);
      state.configure(`ENTRYPOINT ${goQuoteList(args)}`, {
        Entrypoint: args.length > 0 ? args : undefined,
        ArgsEscaped: true,
        ...(state.cmdSet ? {} : { Cmd: undefined }),
      });
      return true;
    }
    case "shell":
      state.configure(`SHELL ${goList(command.words)}`, { Shell: command.words });
      return true;
    case "expose": {
      const words = command.ports.flatMap((port) => expandWords(port, (name) => state.scope.lookup(name), state.escape));
      const ports = exposedPorts(words);
      const all = Object.fromEntries([...Object.entries(state.config.ExposedPorts ?? {}), ...ports.map((port) => [port, {}])]);
      state.configure(`EXPOSE ${goList(ports)}`, { ExposedPorts: all });
      return true;
    }
    case "volume": {
      const paths = command.paths.map((path) => state.expand(path));
      for (const path of paths) if (path.trim() === "") throw new Failure("PLAN", "VOLUME specified can not be an empty string");
      const all = Object.fromEntries([...Object.entries(state.config.Volumes ?? {}), ...paths.map((path) => [path, {}])]);
      state.configure(`VOLUME ${goList(paths)}`, { Volumes: all });
      return true;
    }
    case "stopsignal": {
      const signal = state.expand(command.signal);
      if (signalNumber(signal) === undefined)
        throw new Failure("PLAN", `invalid signal: ${printable(signal)}`, { hint: "Use a name such as SIGTERM or a number from 1 to 64." });
      state.configure(`STOPSIGNAL ${signal}`, { StopSignal: signal });
      return true;
    }
    case "healthcheck":
      return healthcheck(state, command);
    case "onbuild":
      // Docker writes no history line for it.
      state.config = { ...state.config, OnBuild: [...(state.config.OnBuild ?? []), command.expression] };
      return true;
    default:
      return false;
  }
}

function arg(state: StageState, command: Command & { readonly kind: "arg" }): boolean {
  const said: string[] = [];
  for (const { key, value } of command.args) {
    const { value: now } = state.scope.declareArg(key, value);
    said.push(now === undefined ? key : `${key}=${now}`);
  }
  state.configure(`ARG ${said.join(" ")}`, {});
  return true;
}

function healthcheck(state: StageState, command: Command & { readonly kind: "healthcheck" }): boolean {
  const { line, interval, timeout, startPeriod, startInterval, retries } = command;
  const Test = line === undefined ? ["NONE"] : line.shell ? ["CMD-SHELL", line.words.join(" ")] : ["CMD", ...line.words];
  const check = {
    Test,
    ...(interval ? { Interval: interval } : {}),
    ...(timeout ? { Timeout: timeout } : {}),
    ...(startPeriod ? { StartPeriod: startPeriod } : {}),
    ...(startInterval ? { StartInterval: startInterval } : {}),
    ...(retries ? { Retries: retries } : {}),
  };
  state.configure(`HEALTHCHECK ${goHealthcheck(check)}`, { Healthcheck: check });
  return true;
}

/** Numbers in USER must be ids that do not wrap to another user. */
function checkUser(user: string): void {
  for (const part of user.split(":")) {
    if (/^[+-]?[0-9]+$/.test(part) && parseId(part) === undefined) {
      throw new Failure("PLAN", `USER ${printable(user)}: uids and gids must be in range 0-2147483647`);
    }
  }
}
