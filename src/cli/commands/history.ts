import { hexOf } from "../../oci/digest.ts";
import { parsePlatform } from "../../oci/platform.ts";
import { noSuchImage, readCatalog, readImage, type StoredImage } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { LayerSizes } from "../image-size.ts";
import { isRemote, readRemoteImage } from "../registry/remote-image.ts";
import { ago, humanSize, rfc3339, timeOf } from "../render/human.ts";
import { type ListForm, renderList } from "../template/list.ts";

const FORM: ListForm = {
  columns: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
  quiet: "{{.ID}}",
  type: "*formatter.historyContext",
  headers: {
    ID: "IMAGE",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    CreatedBy: "CREATED BY",
    Size: "SIZE",
    Comment: "COMMENT",
  },
};

const MISSING = "<missing>";
/** Columns that a step's text may take without --no-trunc. */
const WIDEST = 45;

/** `nought history`: what made each layer, newest first. */
export async function run(call: Invocation): Promise<void> {
  const { flags, args } = call;
  if (isRemote(args[0] as string)) return await showRemote(call, args[0] as string);
  const store = await call.store();
  const found = (await readCatalog(store)).find(args[0] as string)?.image;
  if (!found) throw noSuchImage(args[0] as string);
  const platform = flags.string("platform");
  const image: StoredImage = platform === undefined ? found : { ...found, ...readImage(store, found.root, parsePlatform(platform)) };
  const sizes = new LayerSizes(store);
  show(call, image, await sizes.layersOf(image));
  sizes.save();
}

/** An image of a registry, of which only manifest and configuration are fetched. */
async function showRemote(call: Invocation, text: string): Promise<void> {
  const { image, sizes } = await readRemoteImage(call, text, call.flags.string("platform"));
  show(call, image, sizes);
}

function show({ flags, out }: Invocation, image: StoredImage, sizes: readonly number[]): void {
  const rows = rowsOf(image, sizes, { human: flags.bool("human"), whole: flags.bool("no-trunc") });
  const headers = flags.bool("human") ? FORM.headers : { ...FORM.headers, CreatedSince: "CREATED AT" };
  out(renderList({ ...FORM, headers }, rows, { format: flags.string("format"), quiet: flags.bool("quiet") }));
}

function rowsOf(
  image: StoredImage,
  sizes: readonly number[],
  how: { readonly human: boolean; readonly whole: boolean },
): Record<string, unknown>[] {
  const history = Array.isArray(image.config.history) ? image.config.history : [];
  let layer = 0;
  const steps = history.map((step) => ({ step, size: step.empty_layer ? 0 : (sizes[layer++] ?? 0) }));
  // Layers that the history does not know of are no less there.
  for (; layer < sizes.length; layer++) steps.push({ step: {}, size: sizes[layer] as number });
  return steps.reverse().map(({ step, size }, i) => {
    const at = timeOf(step.created);
    // Docker takes the epoch itself for no time at all here.
    const created = at === 0 ? undefined : at;
    const stamp = created === undefined ? "N/A" : rfc3339(created);
    const by = (step.created_by ?? "").replaceAll("\t", " ");
    return {
      ID: i > 0 ? MISSING : how.whole ? image.id : hexOf(image.id).slice(0, 12),
      CreatedSince: how.human ? ago(created) : stamp,
      CreatedAt: stamp,
      CreatedBy: how.whole ? by : shorten(by, WIDEST),
      Size: how.human ? humanSize(size) : String(size),
      Comment: step.comment ?? "",
    };
  });
}

/** At most `width` characters, the last an ellipsis where something was left out. */
function shorten(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}
