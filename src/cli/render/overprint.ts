/** What a terminal would show of a line in which carriage returns write over what was there before: the last of it. */
export function overprinted(line: string): string {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf("\r") + 1);
}
