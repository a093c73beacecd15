import type { Rule } from "./rule.ts";

export const exposeInvalidFormat: Rule = {
  name: "ExposeInvalidFormat",
  description: "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
  why: "EXPOSE names ports of the container. Addresses and ports of the host are given when the container starts (`run -p`); here they are read and forgotten.",
  bad: "FROM scratch\nEXPOSE 127.0.0.1:8080:80\n",
  good: "FROM scratch\nEXPOSE 80\n",
  command({ command, words, span }, report) {
    if (command.kind !== "expose") return;
    for (const port of words) {
      const parts = (port.split("/")[0] ?? "").split(":");
      if (parts.slice(0, -1).some((part) => part !== ""))
        report(span, `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`);
    }
  },
};
