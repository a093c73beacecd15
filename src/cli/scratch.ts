/** Whether a name, in any spelling, is the reserved one. Never throws. */
export function isScratch(text: string): boolean {
  return /^(?:(?:index\.)?docker\.io\/)?(?:library\/)?scratch(?:[:@]|$)/.test(text);
}
