/** A flame graph of a gas profile: one SVG file without scripts, links or fonts of its own. */
import { createHash } from 'node:crypto';
import type { ProfileNode } from './gas-profile.ts';

const size = {
  width: 1_200,
  row: 18,
  margin: 10,
  heading: 34,
  /** Contexts that would be narrower are left out. */
  leastWidth: 0.2,
  /** Width of a character of the text. */
  character: 7,
} as const;

/** Returns the SVG. The outermost function is at the bottom; the width of a box is the gas with everything it calls. */
export function flameGraph(root: ProfileNode, title: string): string {
  const depth = depthOf(root);
  const height = size.heading + (depth + 1) * size.row + size.margin;
  const perGas = (size.width - 2 * size.margin) / Math.max(root.total, 1);
  const boxes: string[] = [];
  const draw = (node: ProfileNode, x: number, level: number): void => {
    const width = node.total * perGas;
    if (width < size.leastWidth) return;
    const y = size.heading + (depth - level) * size.row;
    boxes.push(box(node, root.total, { x, y, width }));
    let at = x + node.own * perGas;
    for (const call of [...node.calls].sort((one, other) => (one.name < other.name ? -1 : 1))) {
      draw(call, at, level + 1);
      at += call.total * perGas;
    }
  };
  draw(root, size.margin, 0);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${height}" viewBox="0 0 ${size.width} ${height}">`,
    '<style>text{font:12px monospace;fill:#111}rect{stroke:#fff;stroke-width:.5}</style>',
    `<rect width="${size.width}" height="${height}" fill="#fff"/>`,
    `<text x="${size.margin}" y="22">${escaped(title)}</text>`,
    ...boxes,
    '</svg>',
    '',
  ].join('\n');
}

function box(
  { name, own, total }: ProfileNode,
  all: number,
  { x, y, width }: { readonly x: number; readonly y: number; readonly width: number },
): string {
  const percent = all === 0 ? 0 : (100 * total) / all;
  const told = `${name}: ${total} gas (${percent.toFixed(2)} %), of its own ${own}`;
  const characters = Math.floor((width - 6) / size.character);
  const label = name.length <= characters ? name : characters < 3 ? '' : `${name.slice(0, characters - 1)}…`;
  const text = label === '' ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 13}">${escaped(label)}</text>`;
  return `<g><title>${escaped(told)}</title><rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${size.row - 1}" fill="${colourOf(name)}"/>${text}</g>`;
}

function depthOf(node: ProfileNode): number {
  return node.calls.reduce((most, call) => Math.max(most, 1 + depthOf(call)), 0);
}

/** Returns a warm colour, the same for a name in every graph. */
function colourOf(name: string): string {
  const [hue = 0, light = 0] = createHash('sha256').update(name).digest();
  return `hsl(${10 + (hue * 45) / 255} 85% ${62 + (light * 14) / 255}%)`;
}

/** Returns text for XML, whose characters XML 1.0 allows. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
