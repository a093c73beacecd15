import { type Container, findContainer } from "../../container/face.ts";
import { Failure } from "../../kit/error.ts";
import { printable } from "../../kit/printable.ts";
import { hexOf } from "../../oci/digest.ts";
import { familiarName, withDefaultTag } from "../../oci/reference.ts";
import { readName } from "../catalog.ts";
import { invalidFilter, readFilter } from "../image-filter.ts";

const STATES = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

/** Whether one of the filters asks for states, so that those that do not run are shown too. */
export function asksForState(filters: readonly string[]): boolean {
  return filters.some((one) => ["status", "exited"].includes(readFilter(one).name));
}

/**
 * Which containers docker's filters let through: several of one kind are alternatives (labels excepted), kinds must all agree. Throws
 * USAGE for a filter that is not known, NOT_FOUND for a container that before or since name.
 */
export function psFilter(filters: readonly string[], store: string): (container: Container) => boolean {
  const kinds = new Map<string, ((container: Container) => boolean)[]>();
  for (const text of filters) {
    const { name, value } = readFilter(text);
    kinds.set(name, [...(kinds.get(name) ?? []), testOf(name, value, store)]);
  }
  return (container) =>
    [...kinds].every(([name, tests]) =>
      name.startsWith("label") ? tests.every((test) => test(container)) : tests.some((test) => test(container)),
    );
}

function testOf(name: string, value: string, store: string): (container: Container) => boolean {
  switch (name) {
    case "id":
      return ({ record }) => record.id.startsWith(value);
    case "name":
      return ({ record }) => nameFits(record.name, value);
    case "label":
      return ({ record }) => hasLabel(record.config.Labels ?? {}, value);
    case "label!":
      return ({ record }) => !hasLabel(record.config.Labels ?? {}, value);
    case "status":
      if (!STATES.includes(value)) throw new Failure("USAGE", `invalid filter 'status=${printable(value)}'`, { exit: 1 });
      return ({ state }) => state.status === value;
    case "exited":
      if (!/^\d{1,3}$/.test(value)) throw new Failure("USAGE", `invalid filter 'exited=${printable(value)}'`, { exit: 1 });
      return ({ state }) => state.status === "exited" && state.ended?.code === Number(value);
    case "ancestor":
      return ancestor(value);
    case "before":
    case "since": {
      const border = findContainer(store, value).record.created;
      return ({ record }) => (name === "before" ? record.created < border : record.created > border);
    }
    case "volume":
      return ({ record }) => record.mounts.some((one) => one.target === value || (one.type === "volume" && one.name === value));
    case "network":
      return ({ record }) => record.options.network === (value === "bridge" ? "default" : value);
    case "publish":
    case "expose":
      return ({ record }) => portFits(name, value, record);
    case "health":
    case "is-task":
      return () => value === "none" || value === "false";
    default:
      throw invalidFilter(name);
  }
}

/** Docker takes a regular expression here; of it the anchors are known, the rest is text that the name holds. */
function nameFits(name: string, value: string): boolean {
  const [start, end] = [value.startsWith("^"), value.endsWith("$")];
  const text = value.slice(start ? 1 : 0, end ? -1 : undefined).replace(/^\//, "");
  if (start && end) return name === text;
  return start ? name.startsWith(text) : end ? name.endsWith(text) : name.includes(text);
}

function hasLabel(labels: Readonly<Record<string, string>>, text: string): boolean {
  const at = text.indexOf("=");
  const key = at < 0 ? text : text.slice(0, at);
  return Object.hasOwn(labels, key) && (at < 0 || labels[key] === text.slice(at + 1));
}

function ancestor(value: string): (container: Container) => boolean {
  const known = (text: string) => {
    const name = readName(text);
    return name && familiarName(withDefaultTag(name));
  };
  const wanted = known(value);
  const hex = value.replace(/^sha256:/, "");
  return ({ record }) =>
    (wanted !== undefined && known(record.image.name) === wanted) ||
    (/^[0-9a-f]{4,64}$/.test(hex) && hexOf(record.image.id).startsWith(hex));
}

function portFits(name: string, value: string, record: Container["record"]): boolean {
  const wanted = value.includes("/") ? value : `${value}/tcp`;
  const published = record.options.ports.map((one) => `${one.port}/${one.protocol}`);
  return published.includes(wanted) || (name === "expose" && Object.hasOwn(record.config.ExposedPorts ?? {}, wanted));
}
