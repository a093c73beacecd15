/** Characters that can steer a terminal or that Go's encoder escapes; inside JSON they only stand in strings. */
const STEERING = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069<>&]/g;

/** Indented JSON as docker prints it: four blanks, `<`, `>`, `&` and whatever could steer a terminal as `\u` escapes. */
export function prettyJson(value: unknown): string {
  return JSON.stringify(value, null, 4).replace(STEERING, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
