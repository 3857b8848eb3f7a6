/** Comments are no wider than code, which Biome wraps at 120 columns; it leaves comments as they are. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const columnsMax = 120;

/** Returns the numbers of the lines of `text` that are too wide and hold or end with a comment; the first line is 1. */
function wideComments(text: string): readonly number[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      line.length > columnsMax && /^\s*(?:\/\/|\/\*|\*)|[;,(){}\]] \/\/ [^'"`]*$/.test(line) ? [index + 1] : [],
    );
}

describe('a comment', () => {
  it(`has no line of more than ${columnsMax} columns`, () => {
    const files = globSync('{src,ui-cli,hooks,test}/**/*.{ts,tsx,js,mjs}', { cwd: root });
    expect(files.length).toBeGreaterThan(1000);
    const wide = files.flatMap((file) =>
      wideComments(readFileSync(join(root, file), 'utf8')).map((line) => `${file}:${line}`),
    );
    expect(wide).toEqual([]);
  });

  it('is found in every form, and a long text in code is none', () => {
    const words = 'word '.repeat(30);
    expect(
      wideComments(
        [`  // ${words}`, `/** ${words} */`, ` * ${words}`, `begin(); // ${words}`, `const a = '${words}';`].join('\n'),
      ),
    ).toEqual([1, 2, 3, 4]);
  });
});
