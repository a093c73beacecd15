import { Mistake } from "./mistake.ts";

/** One line of comma-separated fields, quoted with `"` where they hold commas (RFC 4180), as options of flags are written. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      const field = text.slice(at, end);
      const stray = field.indexOf('"');
      if (stray >= 0) throw new Mistake(`parse error on line 1, column ${at + stray + 1}: bare " in non-quoted-field`);
      fields.push(field);
      if (comma < 0) return fields;
      at = comma + 1;
      continue;
    }
    let field = "";
    for (at++; ; ) {
      const quote = text.indexOf('"', at);
      if (quote < 0) throw new Mistake(`parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`);
      field += text.slice(at, quote);
      at = quote + 1;
      if (text[at] !== '"') break;
      field += '"';
      at++;
    }
    fields.push(field);
    if (at === text.length) return fields;
    if (text[at] !== ",") throw new Mistake(`parse error on line 1, column ${at + 1}: extraneous or missing " in quoted-field`);
    at++;
  }
}
