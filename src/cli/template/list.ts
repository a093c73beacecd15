import { printableLine } from "../../kit/printable.ts";
import { alignColumns } from "../render/table.ts";
import { compileTemplate } from "./execute.ts";
import type { TemplateFunction } from "./functions.ts";
import { goJson, Row } from "./value.ts";

/** How a command's list is shown when nothing else is said, and what its columns are called. */
export interface ListForm {
  /** The default template, without `table`. */
  readonly columns: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The template of `-q`. */
  readonly quiet?: string;
  /** What Go would call a row, for messages. */
  readonly type: string;
}

/** In the header line these leave a word as it is. */
const HEADER_FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  json: { min: 1, max: 1, call: (word) => word },
  split: { min: 2, max: 2, call: (word) => word },
  join: { min: 2, max: 2, call: (word) => word },
  title: { min: 1, max: 1, call: (word) => word },
  lower: { min: 1, max: 1, call: (word) => word },
  upper: { min: 1, max: 1, call: (word) => word },
  pad: { min: 3, max: 3, call: (word) => word },
  truncate: { min: 2, max: 2, call: (word) => word },
};

/**
 * Renders a list as docker's formatters do: `table`, `table TEMPLATE`, `json` (one object a line) or a template for each row. Without
 * `format` the columns of the form, or with `quiet` its quiet template. Rows hold text from outside as it is; what reaches a table or
 * a template's output is made printable here. Throws USAGE for a bad template.
 */
export function renderList(
  form: ListForm,
  rows: readonly Readonly<Record<string, unknown>>[],
  options: { readonly format?: string | undefined; readonly quiet?: boolean },
): string {
  const format = options.format?.trim() ?? "";
  const data = rows.map((fields) => new Row("context", form.type, safeFields(fields)));
  if (format === "json") return lines(rows.map((fields) => goJson(new Row("context", form.type, fields))));
  const table = format === "" || format === "table" || format.startsWith("table ") || format.startsWith("table\t");
  const given = table ? format.slice(5).trim() : format;
  const quiet = options.quiet === true && form.quiet !== undefined && (format === "" || format === "table");
  const source = (quiet ? (form.quiet as string) : given === "" ? form.columns : given).replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  const template = compileTemplate(source);
  const body = data.map((row) => template.execute(row));
  if (!table || quiet) return lines(body);
  const header = compileTemplate(source, HEADER_FUNCTIONS).execute(form.headers);
  return alignColumns(lines([header, ...body]));
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}

/** The same fields with every text made harmless; what is worked out on demand stays so. */
function safeFields(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "function" ? () => safe((value as () => unknown)()) : safe(value),
    ]),
  );
}

function safe(value: unknown): unknown {
  if (typeof value === "string") return printableLine(value).replaceAll("\t", " ");
  if (value instanceof Row) return new Row(value.kind, value.type, safeFields(value.fields));
  if (Array.isArray(value)) return value.map(safe);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [printableLine(key), safe(one)]));
}
