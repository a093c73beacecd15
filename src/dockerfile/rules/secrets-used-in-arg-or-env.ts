import { quote } from "../quote.ts";
import type { Rule } from "./rule.ts";

const SECRET = /(?:_|^)(?:apikey|auth|credential|credentials|key|password|pword|passwd|secret|token)(?:_|$)/i;
const HARMLESS = /(?:_|^)public(?:_|$)/i;

/** Whether the name of a variable says that its value is secret. By the name alone. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name) && !HARMLESS.test(name);
}

export const secretsUsedInArgOrEnv: Rule = {
  name: "SecretsUsedInArgOrEnv",
  description: "Sensitive data should not be used in the ARG or ENV commands",
  why: "Values of ENV are part of the image, values of ARG of its history: whoever can pull the image can read them. Give secrets to a RUN with `--mount=type=secret`, and to a container when it starts. The rule goes by names alone.",
  bad: "FROM scratch\nARG API_TOKEN\nCOPY app /app\n",
  good: "FROM scratch\nCOPY app /app\nRUN --mount=type=secret,id=api_token,env=API_TOKEN /app --register\n",
  command({ command, words, span }, report) {
    if (command.kind !== "env" && command.kind !== "arg") return;
    for (const name of words) {
      if (!isSecretName(name)) continue;
      report(span, `Do not use ARG or ENV instructions for sensitive data (${command.kind.toUpperCase()} ${quote(name)})`);
    }
  },
};
