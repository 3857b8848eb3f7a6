/** The examples of docs/meter.md: their tables are what the scanner and the placement find. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findSection } from '../../../src/guest/wasm/format/model.ts';
import { readModule } from '../../../src/guest/wasm/format/read-module.ts';
import { costs } from '../../../src/guest/wasm/meter/costs.ts';
import { CodeScanner } from '../../../src/guest/wasm/meter/scan-code.ts';
import { blocksOf } from '../../support/page-blocks.ts';
import { wat } from '../../support/wasm.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/meter.md'), 'utf8');
const examples = [...page.matchAll(/```wat\n([\s\S]*?)```[\s\S]*?\| node \|.*\n\| ---.*\n((?:\|.*\n)+)/g)].map(
  ([, text = '', table = '']) => ({ text, table: table.trimEnd().split('\n') }),
);

/** Rows as in the page: node, weight, before, after, charge. */
function rowsOf(text: string): string[] {
  const module = readModule(wat(`(module ${text})`), 'the example');
  const section = findSection(module, 10);
  if (section === undefined) throw new Error('no code');
  const scanner = new CodeScanner(module, costs);
  // One function: its body stands behind the count and a size of one byte.
  scanner.scan(module.functionImports.length, section.start + 2, section.end);
  const { placement } = scanner.flow;
  placement.solve();
  return Array.from({ length: placement.nodes }, (_, node) => {
    const cells = [node, placement.weight(node), placement.before(node), placement.after(node), placement.charge(node)];
    return `| ${cells.join(' | ')} |`;
  });
}

describe('docs/meter.md', () => {
  test('has two examples', () => {
    expect(examples).toHaveLength(2);
    expect(examples.map(({ text }) => text)).toEqual(blocksOf('metered').map(({ text }) => text));
  });

  test.each(examples)('its table is right: $text', ({ text, table }) => {
    expect(rowsOf(text)).toEqual(table);
  });
});
