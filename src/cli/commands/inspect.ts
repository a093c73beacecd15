import { Failure } from "../../kit/error.ts";
import { printable, printableLine } from "../../kit/printable.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { noSuchImage, readCatalog, readImage, type StoredImage } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { inspectImage } from "../image-inspect.ts";
import { LayerSizes } from "../image-size.ts";
import { isRemote, readRemoteImage } from "../registry/remote-image.ts";
import { prettyJson } from "../render/json.ts";
import { compileTemplate } from "../template/execute.ts";
import { goJson } from "../template/value.ts";

/**
 * `nought inspect`, `nought image inspect` and `nought container inspect`: what is found is shown, containers before images; what is not
 * found makes the exit code 1.
 */
export async function run(call: Invocation): Promise<number> {
  const { flags } = call;
  const [group] = call.path.split(" ");
  const ofImages = group === "image";
  const type = group === "inspect" ? flags.string("type") : group;
  if (type !== undefined && type !== "" && type !== "image" && type !== "container")
    throw new Failure("NOT_FOUND", `No such ${printable(type)}: ${printable(call.args[0] ?? "")}`);
  const format = flags.string("format");
  const template = format && format !== "json" ? compileTemplate(format, {}, 64) : undefined;
  const platform = ofImages ? flags.string("platform") : undefined;
  const containers = type === "image" ? undefined : await import("../container/inspect-found.ts");
  const store = await call.store();
  const catalog = await readCatalog(store);
  const sizes = new LayerSizes(store);
  const shown: unknown[] = [];
  const missing: string[] = [];
  for (const text of call.args) {
    const container = containers?.inspectFound(call, text, catalog);
    const remote = container || type === "container" || !isRemote(text) ? undefined : await inspectRemote(call, text, platform);
    const found = container || remote || type === "container" ? undefined : catalog.find(text)?.image;
    if (!found && !container && !remote) {
      missing.push(type === "image" ? noSuchImage(text).message : `No such ${type || "object"}: ${printable(text)}`);
      continue;
    }
    const { row, json } = container ?? remote ?? (await inspected(found as StoredImage));
    if (template) call.out(`${template.execute(row).split("\n").map(printableLine).join("\n")}\n`);
    else if (format === "json") call.out(`${goJson(row)}\n`);
    else shown.push(json);
  }
  sizes.save();
  if (!format) call.out(`${prettyJson(shown)}\n`);
  for (const message of missing) call.err(`Error: ${message}\n`);
  return missing.length > 0 ? 1 : 0;

  async function inspected(found: StoredImage) {
    const image = platform === undefined ? found : { ...found, ...readImage(store, found.root, parsePlatform(platform)) };
    return inspectImage(image, await sizes.imageSize(image));
  }
}

/** An image of a registry: its size is that of its packed layers. */
async function inspectRemote(call: Invocation, text: string, platform: string | undefined): Promise<ReturnType<typeof inspectImage>> {
  const { image, sizes } = await readRemoteImage(call, text, platform);
  return inspectImage(
    image,
    sizes.reduce((sum, one) => sum + one, 0),
  );
}
