/** Characters that can steer a terminal; inside JSON they only stand in strings. */
const STEERING = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Indented JSON as docker prints it: four blanks, `<`, `>`, `&` and whatever could steer a terminal as `\u` escapes. */
export function prettyJson(value: unknown): string {
  return calmJson(JSON.stringify(value, null, 4)).replace(/[<>&]/g, escape);
}

/** JSON text that means the same and in which nothing can steer a terminal. */
export function calmJson(text: string): string {
  return text.replace(STEERING, escape);
}

function escape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
