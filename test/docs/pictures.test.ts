/** Pictures of the book: each is made by the script, shown by a page, and runs nothing. */
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pictures } from '../../docs/pictures.ts';
import { runsOf, terminalPicture } from '../../docs/terminal-picture.ts';

const docs = join(import.meta.dirname, '../../docs');

describe('a picture', () => {
  const names = Object.keys(pictures).sort();

  it('is there when the script makes it, and only then', () => {
    expect(readdirSync(join(docs, 'pictures')).sort()).toEqual(names);
  });

  it('is shown by a page, with words for a reader who does not see it', () => {
    const shown = globSync('**/*.md', { cwd: docs }).flatMap((page) =>
      [...readFileSync(join(docs, page), 'utf8').matchAll(/!\[([^\]]*)\]\((?:\.\.\/)*pictures\/([^)]+)\)/g)].map(
        ([, words = '', name = '']) => ({ words, name }),
      ),
    );
    expect([...new Set(shown.map(({ name }) => name))].sort()).toEqual(names);
    for (const { words, name } of shown) expect(words.length, name).toBeGreaterThan(20);
  });

  it.each(names.filter((name) => name.endsWith('.svg')))('%s has no script, style or address in it', (name) => {
    const text = readFileSync(join(docs, 'pictures', name), 'utf8');
    expect(text).not.toMatch(/<script|<style|style=|href|\son\w+=|url\(/i);
    expect(text.match(/https?:\/\/\S+"/g)).toEqual(['http://www.w3.org/2000/svg"']);
    // Ports of the platform that it was taken from.
    expect([...text.matchAll(/:(\d{4,5})\b/g)].filter(([, port]) => !['3002', '3003'].includes(port ?? ''))).toEqual(
      [],
    );
  });
});

describe('a screen of a terminal', () => {
  const plain = { colour: null, background: null, bold: false, dim: false, inverse: false };

  it('is read in runs of one look, spaces at the end of lines left out', () => {
    expect(runsOf('a \u001b[1;31mred\u001b[0m b   ')).toEqual([
      { ...plain, column: 0, text: 'a ' },
      { ...plain, column: 2, text: 'red', bold: true, colour: '#e06c75' },
      { ...plain, column: 5, text: ' b' },
    ]);
    expect(runsOf('   ')).toEqual([]);
    expect(runsOf('\u001b[7m  ')).toEqual([{ ...plain, column: 0, text: '  ', inverse: true }]);
  });

  it('has the 256 colours', () => {
    const colours = [9, 16, 231, 244].map((index) => runsOf(`\u001b[38;5;${index}mx`)[0]?.colour);
    expect(colours).toEqual(['#ef7f88', '#000000', '#ffffff', '#808080']);
    expect(runsOf('\u001b[38;5;9;1mx')[0]).toMatchObject({ bold: true });
  });

  it('is drawn with its characters as text, and ends at the last of several', () => {
    const picture = terminalPicture(['<one>', 'a&b'], { columns: 10, rows: 1 }, 'Two');
    expect(picture).toContain('&lt;one&gt;');
    expect(picture).toContain('a&amp;b');
    expect(picture).toContain('<title>Two</title>');
    expect([...picture.matchAll(/<g visibility="(\w+)"/g)].map(([, shown]) => shown)).toEqual(['hidden', 'visible']);
    const seconds = [...picture.matchAll(/begin="([\d.]+)s" dur="([\d.]+)s"/g)].map(
      ([, a, b]) => Number(a) + Number(b),
    );
    expect(Math.max(...seconds)).toBeLessThan(5);
  });
});
