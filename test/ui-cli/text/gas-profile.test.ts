/** Gas profiles as text and as a graph: names come from strangers' programs. */
import { describe, expect, test } from 'vitest';
import type { GasProfile } from '../../../src/protocol/gas-profile.ts';
import { flameGraph } from '../../../ui-cli/text/flame-graph.ts';
import { foldedStacks, profileLines, profileTree } from '../../../ui-cli/text/gas-profile.ts';

const profile: GasProfile = {
  ...{ gas: 1_000, calls: 2, samples: 4, functions: ['main', 'parse', 'std::vec<T>; drop', 'rare'] },
  nodes: [
    [-1, 0, 100],
    [0, 1, 600],
    [1, 2, 200],
    [0, 2, 96],
    [0, 3, 4],
  ],
};

describe('a gas profile', () => {
  test('as folded stacks has a line for each context, in an order of its own, and a `;` only between functions', () => {
    expect(foldedStacks(profileTree(profile))).toEqual([
      'main 100',
      'main;parse 600',
      'main;parse;std::vec<T>: drop 200',
      'main;rare 4',
      'main;std::vec<T>: drop 96',
    ]);
  });

  test('as lines shows shares under the callers, the greatest first, and leaves the smallest out', () => {
    expect(profileLines(profileTree(profile))).toEqual([
      '  TOTAL      OWN  FUNCTION',
      '100.0 %   10.0 %  main',
      ' 80.0 %   60.0 %    parse',
      ' 20.0 %   20.0 %      std::vec<T>; drop',
      '  9.6 %    9.6 %    std::vec<T>; drop',
    ]);
    expect(profileLines(profileTree({ ...profile, nodes: [] }))).toEqual([]);
  });

  test('as a flame graph is one file of plain boxes as wide as the gas', () => {
    const svg = flameGraph(profileTree(profile), 'swift-otter: 1000 gas');
    expect(svg).toBe(flameGraph(profileTree(profile), 'swift-otter: 1000 gas'));
    expect(svg).not.toMatch(/script|href|url\(|@import|foreignObject/i);
    const widths = Object.fromEntries(
      [...svg.matchAll(/<title>(\w+): .*?<\/title><rect x="[\d.]+" y="\d+" width="([\d.]+)"/g)].map(
        ([, name, width]) => [name, Number(width)],
      ),
    );
    expect(widths).toMatchObject({ all: 1_180, main: 1_180, parse: 944 });
  });

  test('shows hostile names as they are, in a graph that is still XML', () => {
    const hostile = '</title><script>alert(1)</script>&"\u0000\u001b[31m\ud800';
    const svg = flameGraph(profileTree({ ...profile, functions: [hostile] }), hostile);
    expect(svg).not.toContain('<script');
    expect(svg.isWellFormed()).toBe(true);
    expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
    expect(profileLines(profileTree({ ...profile, functions: [hostile] })).join('')).not.toContain('\u001b');
  });

  test('survives places that lead nowhere', () => {
    expect(() =>
      profileTree({
        ...profile,
        nodes: [
          [5, 9, 1],
          [-7, -1, 2],
          [1, 0, 3],
        ],
      }),
    ).not.toThrow();
  });
});
