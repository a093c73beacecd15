import type { Rule } from "./rule.ts";

export const multipleInstructionsDisallowed: Rule = {
  name: "MultipleInstructionsDisallowed",
  description: "Multiple instructions of the same type should not be used in the same stage",
  why: "An image has one CMD, one ENTRYPOINT and one HEALTHCHECK. Of several in a stage only the last one counts, the others are dead lines. The finding stands at those.",
  bad: 'FROM scratch\nCOPY app /app\nCMD ["/app", "--debug"]\nCMD ["/app"]\n',
  good: 'FROM scratch\nCOPY app /app\nCMD ["/app"]\n',
  command({ command, keyword, previous }, report) {
    if (previous && (command.kind === "cmd" || command.kind === "entrypoint" || command.kind === "healthcheck"))
      report(previous, `Multiple ${keyword} instructions should not be used in the same stage because only the last one will be used`);
  },
};
