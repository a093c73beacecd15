import type { Rule } from "./rule.ts";

export const jsonArgsRecommended: Rule = {
  name: "JSONArgsRecommended",
  description: "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
  why: 'The shell form starts `/bin/sh -c "…"`. The shell is then process 1 and signals such as the one of `docker stop` reach it and not your program; and an image from scratch has no shell to start. The JSON form starts the program itself. Where a shell is meant, name it with SHELL and the rule is silent.',
  bad: "FROM scratch\nCOPY app /app\nENTRYPOINT /app --serve\n",
  good: 'FROM scratch\nCOPY app /app\nENTRYPOINT ["/app", "--serve"]\n',
  command({ command, span, keyword, hasShell }, report) {
    if ((command.kind === "cmd" || command.kind === "entrypoint") && command.line.shell && !hasShell)
      report(span, `JSON arguments recommended for ${keyword} to prevent unintended behavior related to OS signals`);
  },
};
