/**
 * The specification's tests through the rewriter: whatever passes in the plain engine passes rewritten, under any
 * slicing, at the same gas. Where they come from: fixtures/spec/README.md.
 */
import { describe, expect, test } from 'vitest';
import { type Outcome, plainWorld, rewrittenWorld, runScript, scripts } from '../../support/spec/script.ts';

/** Gas granted at a time. */
const slices = [1, 97, 5_000_000];

/**
 * Number of commands, by script, that end otherwise with a reserve of one page: because an access between memory.size
 * and the end of the reserve does not trap, or because another module imports the memory and sees it whole. All others
 * end as without.
 */
const differentWithReserve: Readonly<Record<string, number>> = {
  'core/address': 4,
  'core/align': 2,
  'core/bulk': 8,
  'core/data': 10,
  'core/imports': 1,
  'core/linking': 7,
  'core/memory_grow': 3,
  'core/memory_init': 1,
  'core/memory_trap': 95,
  'core/simd_address': 4,
  'core/simd_load_extend': 4,
  'core/simd_load_splat': 24,
  'core/traps': 14,
};

/**
 * Why the plain engine itself does not do what a script wants, by the script's words for the error or what happened.
 */
const plainFailures: Readonly<Record<string, string>> = {
  'zero byte expected': 'since then, the byte is the index of a memory',
  'unknown global': 'since then, constant expressions may name any global in front of them',
  'multiple memories': 'since then, there may be several memories',
  NotCaught: 'the tag has been made the own tag of each module',
};

/** Words of the findings with which modules that the engine takes are refused. */
const refusals = ['uses garbage collection', 'uses function references', 'uses exception tags that are shared'];

/** What is run of each suite: all commands, by how they end. */
const expectedTable = {
  core: {
    scripts: 148,
    passed: 52_896,
    'not run: text format': 1_091,
    'since then, the byte is the index of a memory': 8,
    'since then, constant expressions may name any global in front of them': 6,
    'since then, there may be several memories: refused here': 5,
  },
  'tail calls': { scripts: 2, passed: 108, 'not run: text format': 11 },
  'extended constants': { scripts: 3, passed: 114, 'not run: text format': 3 },
  exceptions: {
    scripts: 4,
    passed: 90,
    'not run: text format': 2,
    'the tag has been made the own tag of each module': 2,
    'not run: its module is refused': 6,
    'refused: uses garbage collection': 3,
    'refused: uses function references': 1,
    'refused: uses exception tags that are shared': 1,
  },
};

const plains = new Map<string, readonly Outcome[]>();
function outcomesOf(name: string) {
  const script = scripts[name];
  if (script === undefined) throw new Error(`no script ${name}`);
  const plain = plains.get(name) ?? runScript(script, plainWorld()).outcomes;
  plains.set(name, plain);
  return { script, plain };
}

/** Whether the rewritten module may end in `after` where the plain one ends in `plain`. */
function agrees(plain: Outcome | undefined, after: Outcome | undefined): boolean {
  if (plain === undefined || after === undefined) return false;
  if (after.kind === 'failed' && refusals.some((words) => after.seen.includes(words))) return true;
  if (after.kind === 'skipped' && after.reason === 'its module is refused') return true;
  // What the engine takes too much of may be refused.
  if (plain.kind === 'failed' && after.kind === 'passed') return true;
  return JSON.stringify(after) === JSON.stringify(plain);
}

describe('rewritten as plain', () => {
  test.each(Object.keys(scripts))('%s', (name) => {
    const { script, plain } = outcomesOf(name);
    // How deep a runaway recursion goes is the engine's to say: behind it gas is not compared.
    const exhausted = script.commands.findIndex(({ type }) => type === 'assert_exhaustion');
    const gas = slices.map((slice) => {
      const { outcomes, used } = runScript(script, rewrittenWorld({ slice }));
      const different = script.commands.flatMap(({ line }, index) =>
        agrees(plain[index], outcomes[index]) ? [] : [{ slice, line, plain: plain[index], after: outcomes[index] }],
      );
      expect(different).toEqual([]);
      return exhausted < 0 ? used : used.slice(0, exhausted);
    });
    for (const used of gas) expect(used).toEqual(gas[0]);
    const { outcomes } = runScript(script, rewrittenWorld({ slice: 1_000, reserve: 1 }));
    const different = outcomes.filter((after, index) => !agrees(plain[index], after));
    expect(different).toHaveLength(differentWithReserve[name] ?? 0);
  });
});

test('what is run, and what is not', () => {
  const table: Record<string, Record<string, number>> = {};
  for (const name of Object.keys(scripts)) {
    const { script, plain } = outcomesOf(name);
    const { outcomes } = runScript(script, rewrittenWorld({ slice: 5_000_000 }));
    const [suite = ''] = name.split('/');
    const row = table[suite] ?? {};
    table[suite] = row;
    const count = (what: string) => {
      row[what] = (row[what] ?? 0) + 1;
    };
    count('scripts');
    for (const [index, { text }] of script.commands.entries()) {
      const before = plain[index];
      const after = outcomes[index];
      if (before?.kind === 'failed') {
        const reason = plainFailures[text ?? before.seen] ?? `${name}: ${text} ${before.seen}`;
        count(after?.kind === 'passed' ? `${reason}: refused here` : reason);
      } else if (after?.kind === 'skipped') count(`not run: ${after.reason}`);
      else if (after?.kind === 'passed') count('passed');
      else count(`refused: ${refusals.find((words) => after?.seen.includes(words)) ?? after?.seen}`);
    }
  }
  for (const [suite, row] of Object.entries(table))
    for (const [what, number] of Object.entries(row)) console.log(`${suite}: ${number} ${what}`);
  expect(table).toEqual(expectedTable);
});
