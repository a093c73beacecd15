import type { Rule } from "./rule.ts";

export const maintainerDeprecated: Rule = {
  name: "MaintainerDeprecated",
  description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
  why: "MAINTAINER sets the one field `author` of the image. Labels can say that and more, and tools read them.",
  bad: "FROM scratch\nMAINTAINER Ada <ada@example.com>\nCOPY app /app\n",
  good: 'FROM scratch\nLABEL org.opencontainers.image.authors="Ada <ada@example.com>"\nCOPY app /app\n',
  instruction({ name, span }, report) {
    if (name === "maintainer") report(span, "Maintainer instruction is deprecated in favor of using label");
  },
};
