/** docs/safety.md, docs/threat-model.md: every hazard and threat has a rule and a test, and the test is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
/** Number of the last hazard. */
const hazards = 63;

const rows = [...read('docs/safety.md').matchAll(/^\| (\d+) \| (.+?) \| (.+?) \| (.*) \|$/gm)].map(
  ([, number = '', hazard = '', rule = '', tests = '']) => ({ number: Number(number), hazard, rule, tests }),
);

describe('the table of hazards', () => {
  it('has every number once, in order', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: hazards }, (_, index) => index + 1));
  });

  it.each(rows)('$number: $hazard', ({ tests }) => {
    const named = tests.split('<br>').map((text) => /^`(test\/[^`]+)`: (.+)$/.exec(text));
    for (const match of named) {
      const [, file = '', title = ''] = match ?? [];
      expect(existsSync(join(root, file)), `${file} is there`).toBe(true);
      expect(read(file), `${file} has a test of this title`).toContain(title);
    }
  });
});

describe('the threat model', () => {
  const page = read('docs/threat-model.md');
  const attackers = [...page.matchAll(/^\| \*\*(.+?)\*\* \| .+? \| (.+?) \|$/gm)].map(
    ([, attacker = '', not = '']) => ({
      attacker,
      // The first cell of a guest names three places in one clause.
      threats: not
        .split('; ')
        .flatMap((threat) => (threat.startsWith('reach the host,') ? threat.split(', ') : [threat])),
    }),
  );
  const shown = [...page.matchAll(/^\| (.+?) \| (.+?) \| (.+?) \| `(test\/[^`]+)`: (.+) \|$/gm)].map(
    ([, attacker = '', threat = '', , file = '', title = '']) => ({ attacker, threat, file, title }),
  );

  it('has a protection for each thing that somebody must not do, and for nothing else', () => {
    expect(attackers.length).toBeGreaterThan(5);
    expect(shown.map(({ attacker, threat }) => `${attacker}: ${threat}`)).toEqual(
      attackers.flatMap(({ attacker, threats }) => threats.map((threat) => `${attacker}: ${threat}`)),
    );
  });

  it.each(shown)('$attacker must not $threat: the test is there', ({ file, title }) => {
    expect(existsSync(join(root, file)), `${file} is there`).toBe(true);
    expect(read(file), `${file} has a test of this title`).toContain(title);
  });
});
