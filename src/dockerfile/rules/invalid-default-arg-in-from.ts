import { Failure } from "../../kit/error.ts";
import { parseReference } from "../../oci/reference.ts";
import type { Rule } from "./rule.ts";

export const invalidDefaultArgInFrom: Rule = {
  name: "InvalidDefaultArgInFrom",
  description: "Default value for global ARG results in an empty or invalid base image name",
  why: "The file should build without any `--build-arg`. An ARG without a default in the name of a base leaves the name empty or ending in `:`.",
  bad: "ARG BASE\nFROM ${BASE}\nCOPY app /app\n",
  good: "ARG BASE=scratch\nFROM ${BASE}\nCOPY app /app\n",
  file({ program: { stages }, defaultBases }, report) {
    for (const { base, index, span } of stages) {
      const name = defaultBases[index];
      if (name !== undefined && !isName(name)) report(span, `Default value for ARG ${base} results in empty or invalid base image name`);
    }
  },
};

function isName(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    return error instanceof Failure && error.code === "RESERVED";
  }
}
