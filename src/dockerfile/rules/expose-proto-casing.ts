import type { Rule } from "./rule.ts";

export const exposeProtoCasing: Rule = {
  name: "ExposeProtoCasing",
  description: "Protocol in EXPOSE instruction should be lowercase",
  why: "`80/TCP` is stored as `80/tcp`. Written so in the file as well, a search finds it.",
  bad: "FROM scratch\nEXPOSE 80/TCP\n",
  good: "FROM scratch\nEXPOSE 80/tcp\n",
  command({ command, words, span }, report) {
    if (command.kind !== "expose") return;
    for (const port of words) {
      const protocol = port.slice(port.indexOf("/") + 1);
      if (port.includes("/") && protocol !== protocol.toLowerCase())
        report(span, `Defined protocol '${port}' in EXPOSE instruction should be lowercase`);
    }
  },
};
