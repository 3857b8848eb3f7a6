/**
 * Draws screens of a terminal as SVG, one after the other as a recording. The picture runs no script and has no style
 * sheet, so that the policy of a page allows it; it plays once, in less than five seconds, and ends at the last screen
 * (WCAG 2.2, 2.2.2).
 */

/** Milliseconds that a recording takes at most. */
const playMsMax = 4_800;
const cell = { width: 8.4, height: 18, font: 14 } as const;
const border = 12;
const ground = '#16181d';
const ink = '#d8dee9';
/** Colours 0 to 15 of the terminal. */
const palette = [
  ...['#3b4252', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#d8dee9'],
  ...['#7f8794', '#ef7f88', '#a9d68a', '#f0cf8e', '#7fc1ff', '#d79aec', '#74cad5', '#ffffff'],
] as const;

interface Look {
  readonly colour: string | null;
  readonly background: string | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
}

export interface Run extends Look {
  /** Column of its first character, from 0. */
  readonly column: number;
  readonly text: string;
}

const plain: Look = { colour: null, background: null, bold: false, dim: false, inverse: false };

/**
 * Returns the picture of screens, whose lines hold text and SGR sequences (ECMA-48, 8.3.117), as `tmux capture-pane -e`
 * prints them. `title`: what a reader who does not see it is told.
 */
export function terminalPicture(
  screens: readonly string[],
  size: { readonly columns: number; readonly rows: number },
  title: string,
): string {
  const width = Math.ceil(size.columns * cell.width) + 2 * border;
  const height = size.rows * cell.height + 2 * border;
  const stepS = playMsMax / 1_000 / Math.max(1, screens.length);
  const frames = screens.map((screen, index) => {
    const isLast = index === screens.length - 1;
    const shown = isLast ? 'visible' : 'hidden';
    const at = (second: number): string => `${Math.round(second * 100) / 100}s`;
    const play = isLast
      ? `<set attributeName="visibility" to="hidden" begin="0s" dur="${at(index * stepS)}"/>`
      : `<set attributeName="visibility" to="visible" begin="${at(index * stepS)}" dur="${at(stepS)}"/>`;
    return `<g visibility="${shown}">${screens.length === 1 ? '' : play}${drawn(screen)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title).replaceAll('\u00a0', ' ')}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${ground}"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${cell.font}">`,
    ...frames,
    '</g></svg>\n',
  ].join('\n');
}

function drawn(screen: string): string {
  const rows = screen.split('\n').map((line, row) => {
    const top = border + row * cell.height;
    return runsOf(line).map((run) => drawnRun(run, top));
  });
  return rows.flat().join('\n');
}

function drawnRun({ column, text, colour, background, bold, dim, inverse }: Run, top: number): string {
  const x = (border + column * cell.width).toFixed(1);
  const width = (text.length * cell.width).toFixed(1);
  const [front, back] = inverse ? [background ?? ground, colour ?? ink] : [colour ?? ink, background];
  const box =
    back === null ? '' : `<rect x="${x}" y="${top}" width="${width}" height="${cell.height}" fill="${back}"/>`;
  if (text.trim() === '') return box;
  const look = `${bold ? ' font-weight="700"' : ''}${dim ? ' opacity="0.65"' : ''}`;
  const y = top + cell.height - 5;
  return `${box}<text x="${x}" y="${y}" textLength="${width}" fill="${front}"${look}>${escaped(text)}</text>`;
}

/** Returns the runs of equal look in a line; spaces at its end that nothing colours are left out. */
export function runsOf(line: string): readonly Run[] {
  const runs: Run[] = [];
  let look = plain;
  let column = 0;
  for (const [, codes, text = ''] of line.matchAll(/\x1b\[([\d;]*)m|([^\x1b]+)/g)) {
    if (codes !== undefined) look = changed(look, codes);
    else {
      runs.push({ ...look, column, text });
      column += text.length;
    }
  }
  const last = runs.at(-1);
  if (last !== undefined && last.background === null && !last.inverse)
    runs.splice(-1, 1, ...(last.text.trimEnd() === '' ? [] : [{ ...last, text: last.text.trimEnd() }]));
  return runs;
}

/** Returns the look after the codes of one SGR sequence. Codes that it does not know change nothing. */
function changed(look: Look, codes: string): Look {
  let now = look;
  const list = codes.split(';').map(Number);
  for (let at = 0; at < list.length; at += 1) {
    const code = list[at] ?? 0;
    if (code === 0) now = plain;
    else if (code === 1) now = { ...now, bold: true };
    else if (code === 2) now = { ...now, dim: true };
    else if (code === 7) now = { ...now, inverse: true };
    else if (code === 22) now = { ...now, bold: false, dim: false };
    else if (code === 27) now = { ...now, inverse: false };
    else if ((code === 38 || code === 48) && list[at + 1] === 5) {
      now = { ...now, [code === 38 ? 'colour' : 'background']: colourOf(list[at + 2] ?? 0) };
      at += 2;
    } else if (code >= 30 && code <= 37) now = { ...now, colour: colourOf(code - 30) };
    else if (code >= 90 && code <= 97) now = { ...now, colour: colourOf(code - 82) };
    else if (code === 39) now = { ...now, colour: null };
    else if (code >= 40 && code <= 47) now = { ...now, background: colourOf(code - 40) };
    else if (code === 49) now = { ...now, background: null };
  }
  return now;
}

/** Returns a colour of the 256: 16 of the palette, a cube of 6 levels a side, 24 greys. */
function colourOf(index: number): string {
  if (index < 16) return palette[index] ?? ink;
  const hex = (...parts: readonly number[]): string =>
    `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return hex(grey, grey, grey);
  }
  const level = (step: number): number => (step === 0 ? 0 : 55 + step * 40);
  const place = index - 16;
  return hex(level(Math.floor(place / 36)), level(Math.floor(place / 6) % 6), level(place % 6));
}

function escaped(text: string): string {
  // Spaces that do not break are not collapsed either.
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(' ', '\u00a0');
}
