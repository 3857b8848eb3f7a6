/** Random components are refused if and only if the reference tools refuse them (components/record-verdicts.ts). */
import { expect, it } from 'vitest';
import { judge } from './components/judge.ts';
import { makeComponent } from './components/make-component.ts';
import verdicts from './components/verdicts.json' with { type: 'json' };

const parts = 8;

it.each(Array.from({ length: parts }, (_, part) => part))(
  `components are valid as the reference tools say, part %i of ${parts}`,
  (part) => {
    const invalid = new Set(verdicts.invalid);
    const uncompared = new Set(verdicts.uncompared);
    const differing: string[] = [];
    let compared = 0;
    for (let seed = part; seed < verdicts.seeds; seed += parts) {
      if (uncompared.has(seed)) continue;
      const { verdict, why } = judge(makeComponent(seed));
      if (verdict === 'other') continue;
      compared += 1;
      if (verdict !== (invalid.has(seed) ? 'invalid' : 'valid')) differing.push(`${seed}: ${verdict} (${why})`);
    }
    expect(differing).toEqual([]);
    expect(compared).toBeGreaterThan((verdicts.seeds / parts) * 0.9);
  },
);
