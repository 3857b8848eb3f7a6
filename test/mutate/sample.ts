/** Conditions of the source taken out at random: what share of them do the tests beside them notice? */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { readOwnCode } from '../support/own-code.ts';
import { randomOf } from '../support/random.ts';
import { Checkout, root } from './checkout.ts';
import { type Condition, conditionsOf } from './conditions.ts';
import { protections } from './protections.ts';

/** Test files tried for one condition, the nearest ones first in a run of their own. */
const testsMax = { near: 3, all: 9 } as const;
/**
 * Tests that start whole platforms are for a person to run: minutes each. Those of the list of protections read every
 * file.
 */
const untried = /^test\/(?:cluster|faults|deploy|e2e|fuzz|mutate)\//;
/** What only draws. */
const leftOut = /^ui-cli\/(?:screens|frame)\//;

/**
 * Takes out `count` conditions, one at a time, and prints for each whether a test noticed. The same seed takes the
 * same.
 */
export async function runSample(count: number, seed: number): Promise<void> {
  const code = readOwnCode(root, ['src', 'hooks', 'ui-cli']);
  const texts = new Map(code.files.map(({ path, text }) => [path, text]));
  const all = code.files.flatMap(conditionsOf);
  code.close();
  const conditions = all.filter((one) => !leftOut.test(one.file) && !isNamed(one, texts.get(one.file)!));
  const chosen = choose(conditions, count, seed);
  console.log(`${chosen.length} of ${conditions.length} conditions, seed ${seed}`);
  const importers = readImporters();
  const checkout = new Checkout();
  let noticed = 0;
  try {
    for (const condition of chosen) {
      const { file, line, kind, start, end, replace } = condition;
      const text = texts.get(file)!;
      const tests = nearestTests(file, importers);
      const change = () => text.slice(0, start) + replace + text.slice(end);
      const verdict = await tried(checkout, file, change, tests);
      if (verdict === 'noticed') noticed += 1;
      const shown = text.slice(start, end).replace(/\s+/g, ' ').slice(-100);
      console.log(
        `${verdict.padEnd(10)} ${file}:${line} ${kind} ${shown} -> ${replace.replace(/\s+/g, ' ').slice(-60)}`,
      );
    }
  } finally {
    checkout.remove();
  }
  console.log(`${noticed} of ${chosen.length} noticed (${Math.round((100 * noticed) / chosen.length)} %)`);
}

async function tried(
  checkout: Checkout,
  file: string,
  change: () => string,
  tests: readonly string[],
): Promise<string> {
  for (const some of [tests.slice(0, testsMax.near), tests.slice(testsMax.near)]) {
    if (some.length === 0 || (await checkout.passWith(file, change, some))) continue;
    return (await checkout.passUnchanged(some)) ? 'noticed' : 'BROKEN';
  }
  return 'UNNOTICED';
}

/** Whether a named protection takes out the same. */
function isNamed({ file, start, end }: Condition, text: string): boolean {
  return protections.some((named) => {
    const at = named.file === file ? text.indexOf(named.find) : -1;
    return at !== -1 && at < end && start < at + named.find.length;
  });
}

/** Takes one condition out of each of `count` equal stretches of the list, so that every folder has its share. */
function choose(conditions: readonly Condition[], count: number, seed: number): readonly Condition[] {
  const random = randomOf(seed);
  const sorted = conditions.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.start - b.start));
  const step = sorted.length / count;
  return Array.from({ length: count }, (_, at) => sorted[Math.floor((at + random(1000) / 1000) * step)]!);
}

/** Returns for each file those that import it. */
function readImporters(): ReadonlyMap<string, readonly string[]> {
  const importers = new Map<string, string[]>();
  for (const file of globSync('{src,hooks,ui-cli,test}/**/*.{ts,tsx}', { cwd: root }))
    for (const [, path] of readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import\(?) ?'(\.[^']+)'/g)) {
      const imported = normalize(join(dirname(file), path!));
      const known = importers.get(imported) ?? [];
      importers.set(imported, [...known, file]);
    }
  return importers;
}

/**
 * Returns test files, nearest first: a file's own test, then by the imports that lie between, fewer by the words that
 * their paths share; a test that reaches the file through a process it starts stands in the mirror of its folder.
 */
function nearestTests(file: string, importers: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const distances = new Map([[file, 0]]);
  for (const [at, distance] of distances)
    for (const importer of importers.get(at) ?? []) if (!distances.has(importer)) distances.set(importer, distance + 1);
  const mirror = `test/${dirname(file).replace(/^src\//, '')}/`;
  const own = `${mirror}${basename(file).replace(/\.tsx?$/, '')}.test.ts`;
  const words = wordsOf(file);
  const rank = (test: string) =>
    test === own ? -100 : (distances.get(test) ?? 4) - wordsOf(test).filter((word) => words.includes(word)).length;
  return globSync('test/**/*.test.{ts,tsx}', { cwd: root })
    .filter((test) => !untried.test(test) && (distances.has(test) || test.startsWith(mirror)))
    .toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
    .slice(0, testsMax.all);
}

/** Returns the words of a path, without what every path has; ABIs have their tests in a folder of another name. */
function wordsOf(path: string): readonly string[] {
  const place = path.replace('test/conformance/', 'guest/kernel/abi/').replace(/\.test\b|\.tsx?$|^(?:src|test)\//g, '');
  return [...new Set(place.split(/[^a-z0-9]+/))];
}
