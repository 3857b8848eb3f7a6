import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { render } from 'ink-testing-library';
import { createElement } from 'react';
import { describe, expect, it } from 'vitest';
import { Text } from '../../../ui-cli/frame/Text.tsx';

const ui = new URL('../../../ui-cli/', import.meta.url).pathname;

describe('the text of screens', () => {
  it('shows control characters of a name instead of obeying them', () => {
    const { lastFrame } = render(
      createElement(Text, null, 'evil\u001b[2J\u202e', 'name\r', createElement(Text, null, '\u009b31m')),
    );
    expect(lastFrame()).toBe('evil^[[2J<U+202E>name^M<U+009B>31m');
  });

  it("is drawn by no component of Ink's own", () => {
    const files = readdirSync(ui, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file));
    expect(files.length).toBeGreaterThan(50);
    const users = files.filter((file) =>
      /import \{[^}]*\b(?<!type )Text\b[^}]*\} from 'ink'/.test(readFileSync(join(ui, file), 'utf8')),
    );
    expect(users).toEqual(['frame/Text.tsx']);
  });
});
