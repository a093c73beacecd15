import { startOwnRegistry } from "../../test/registries.ts";
import { hasRegistry, startRegistry } from "../../test/registry.ts";
import { distributionRules } from "../../test/suites/distribution.ts";

distributionRules({ name: "nought's registry", start: () => startOwnRegistry() });

distributionRules({
  name: "docker-registry",
  skip: hasRegistry ? false : "docker-registry is not installed",
  start: () => startRegistry(),
  // Version 2.8 is older than the specification's 1.1.
  differs: new Set(["referrers", "range past the end", "416 for a chunk out of order", "delete a tag alone", "tags in order"]),
});
