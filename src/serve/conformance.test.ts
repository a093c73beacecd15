import { hasDebianRegistry, startDebianRegistry, startOwnRegistry } from "../../test/registries.ts";
import { distributionRules } from "../../test/suites/distribution.ts";

distributionRules({ name: "nought's registry", start: () => startOwnRegistry() });

distributionRules({
  name: "docker-registry",
  skip: hasDebianRegistry ? false : "docker-registry is not installed",
  start: () => startDebianRegistry(),
  // Version 2.8 is older than the specification's 1.1.
  differs: new Set(["referrers", "range past the end", "416 for a chunk out of order", "delete a tag alone", "tags in order"]),
});
