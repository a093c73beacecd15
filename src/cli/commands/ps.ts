import { listContainers } from "../../container/face.ts";
import { readCatalog } from "../catalog.ts";
import type { Invocation } from "../command.ts";
import { asksForState, psFilter } from "../container/ps-filter.ts";
import { psRow } from "../container/ps-rows.ts";
import { sizesOf } from "../container/ps-size.ts";
import { humanSize } from "../render/human.ts";
import { type ListForm, renderList } from "../template/list.ts";

const COLUMNS = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const FORM: ListForm = {
  columns: COLUMNS,
  quiet: "{{.ID}}",
  type: "*formatter.ContainerContext",
  headers: {
    ID: "CONTAINER ID",
    Names: "NAMES",
    Image: "IMAGE",
    Command: "COMMAND",
    CreatedAt: "CREATED AT",
    RunningFor: "CREATED",
    Ports: "PORTS",
    State: "STATE",
    Status: "STATUS",
    Size: "SIZE",
    Labels: "LABELS",
    Mounts: "MOUNTS",
    LocalVolumes: "LOCAL VOLUMES",
    Networks: "NETWORKS",
  },
};

/** `nought ps`: running containers, or with `-a`, `-n`, `-l` and filters on states all of them; the newest first. */
export async function run(call: Invocation): Promise<void> {
  const { flags } = call;
  const filters = flags.list("filter");
  const last = flags.bool("latest") ? 1 : (flags.int("last") ?? -1);
  const all = flags.bool("all") || last > 0 || asksForState(filters);
  const keep = psFilter(filters, call.storeDir);
  const found = listContainers(call.storeDir).filter((one) => (all || one.state.status === "running") && keep(one));
  const shown = last > 0 ? found.slice(0, last) : found;
  const withSize = flags.bool("size");
  const format = flags.string("format");
  const images = withSize || /\.Size|^json$/.test(format ?? "") ? await readCatalog(await call.store()) : undefined;
  const size = (one: (typeof shown)[number]) => {
    const { own, image } = sizesOf(one, images);
    return withSize || images ? `${humanSize(own)} (virtual ${humanSize(own + image)})` : humanSize(0);
  };
  const rows = shown.map((one) => psRow(one, flags.bool("no-trunc"), () => size(one)));
  const columns = withSize ? `${COLUMNS}\t{{.Size}}` : COLUMNS;
  call.out(renderList({ ...FORM, columns }, rows, { format, quiet: flags.bool("quiet") }));
}
