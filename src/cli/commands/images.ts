import { printableLine } from "../../kit/printable.ts";
import { hexOf } from "../../oci/digest.ts";
import { familiarName, familiarRepository, type Reference } from "../../oci/reference.ts";
import { readCatalog, type StoredImage } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { imageFilter, nameFilter } from "../image-filter.ts";
import { LayerSizes } from "../image-size.ts";
import { ago, goTime, humanSize, timeOf } from "../render/human.ts";
import { type ListForm, renderList } from "../template/list.ts";

const COLUMNS = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

const FORM: ListForm = {
  columns: COLUMNS,
  quiet: "{{.ID}}",
  type: "*formatter.imageContext",
  headers: {
    ID: "IMAGE ID",
    Repository: "REPOSITORY",
    Tag: "TAG",
    Digest: "DIGEST",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    Size: "SIZE",
    Containers: "CONTAINERS",
    VirtualSize: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
  },
};

/** `nought images`: one line for each name of each image, newest first. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const store = await call.store();
  const catalog = await readCatalog(store);
  const filters = flags.list("filter");
  const keep = imageFilter(filters, catalog);
  const keepName = nameFilter([...filters, ...(call.args[0] === undefined ? [] : [`reference=${call.args[0]}`])]);
  const sizes = new LayerSizes(store);
  // Only a format shows them.
  const used = flags.string("format") ? (await import("../../container/face.ts")).containersInUse(call.storeDir).images : undefined;
  const rows: Record<string, unknown>[] = [];
  for (const image of catalog.images) {
    if (!keep(image)) continue;
    const found = namesOf(image, keepName);
    if (found.length === 0) continue;
    const facts = factsOf(image, await sizes.imageSize(image), used?.get(image.id)?.length ?? 0, flags.bool("no-trunc"));
    for (const names of found) rows.push({ ...facts, ...names });
  }
  sizes.save();
  for (const damaged of catalog.damaged) {
    const names = damaged.names.map((one) => familiarName(one.name)).join(", ") || damaged.root.digest;
    call.err(`WARNING: image ${names} is damaged: ${printableLine(damaged.why)}\n`);
  }
  const columns = flags.bool("digests") ? COLUMNS.replace("{{.ID}}", "{{.Digest}}\t{{.ID}}") : COLUMNS;
  call.out(renderList({ ...FORM, columns }, rows, { format: flags.string("format"), quiet: flags.bool("quiet") }));
}

/** Columns that all lines of an image share. */
function factsOf(image: StoredImage, size: number, containers: number, whole: boolean): Record<string, unknown> {
  const created = timeOf(image.config.created);
  return {
    Containers: `${containers}`,
    CreatedAt: created === undefined ? "N/A" : goTime(created),
    CreatedSince: ago(created),
    ID: whole ? image.id : hexOf(image.id).slice(0, 12),
    SharedSize: "N/A",
    Size: humanSize(size),
    UniqueSize: "N/A",
    VirtualSize: humanSize(size, 4),
  };
}

/** A line for each name that passes; one with `<none>` for an image that has no name at all. */
function namesOf(
  image: StoredImage,
  keep: ((name: Reference) => boolean) | undefined,
): { Repository: string; Tag: string; Digest: string }[] {
  if (image.names.length === 0) return keep ? [] : [{ Repository: "<none>", Tag: "<none>", Digest: image.root.digest }];
  return image.names
    .filter(({ name }) => !keep || keep(name))
    .map(({ name }) => ({ Repository: familiarRepository(name), Tag: name.tag ?? "<none>", Digest: image.root.digest }));
}
