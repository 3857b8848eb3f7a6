/** Parts of pages that a program writes, between two comments. */
export const begin = '<!-- written by docs/build.ts from the code -->';
export const end = '<!-- end -->';

/** Returns `page` with `text` between its marks. Throws where it has none. `name`: for the message. */
export function withPart(page: string, text: string, name: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${name} has no lines ${begin} and ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${text.trimEnd()}\n\n${page.slice(to)}`;
}
