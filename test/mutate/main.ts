/**
 * `npm run mutate [NAME…]`: takes out one protection at a time and runs the tests that should notice. Prints a line
 * for each and exits 1 if one stayed unnoticed, or if its tests fail without any change. Not part of CI: it takes minutes. Works on a copy of the checkout
 * (committed and uncommitted files alike) in a temporary folder, so an interrupted run leaves nothing behind here.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Protection, protections } from './protections.ts';

/** One run of the tests named beside a protection; a mutant that hangs counts as noticed. */
const runTimeoutMs = 5 * 60_000;

const root = join(import.meta.dirname, '../..');
const wanted = process.argv.slice(2);
const chosen = protections.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
if (chosen.length === 0) {
  console.error(`no protection is named like ${wanted.join(' or ')}; there are:`);
  for (const { name } of protections) console.error(`  ${name}`);
  process.exit(1);
}

/** Results of runs without any change, by the files of the run. */
const unchanged = new Map<string, Promise<boolean>>();

const copy = mkdtempSync(join(tmpdir(), 'trisiel-mutate-'));
try {
  copyCheckout();
  const unnoticed: string[] = [];
  for (const protection of chosen) {
    if (!(await passUnchanged(protection.tests))) {
      console.log(`BROKEN     ${protection.name}: ${protection.tests.join(' ')} fail without any change`);
      unnoticed.push(protection.name);
      continue;
    }
    const noticed = await isNoticed(protection);
    console.log(`${noticed ? 'noticed ' : 'UNNOTICED'}  ${protection.name}`);
    if (!noticed) unnoticed.push(protection.name);
  }
  const percent = Math.round((100 * (chosen.length - unnoticed.length)) / chosen.length);
  console.log(`${chosen.length - unnoticed.length} of ${chosen.length} noticed (${percent} %)`);
  if (unnoticed.length > 0) process.exitCode = 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}

/** The files that git knows or would add, and node_modules as a tree of hard links where the disk allows it. */
function copyCheckout(): void {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
    .toString()
    .split('\0')
    .filter((file) => file !== '');
  for (const file of files) cpSync(join(root, file), join(copy, file));
  const modules = join(root, 'node_modules');
  try {
    execFileSync('cp', ['-al', modules, copy], { stdio: 'ignore' });
  } catch {
    cpSync(modules, join(copy, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  }
  execFileSync('git', ['init', '--quiet'], { cwd: copy });
}

/** Whether tests pass in the copy as it is: a test that is broken would seem to notice everything. Runs them once. */
function passUnchanged(tests: readonly string[]): Promise<boolean> {
  const files = tests.toSorted().join(' ');
  const known = unchanged.get(files) ?? passes(tests);
  unchanged.set(files, known);
  return known;
}

/** Applies the change, runs the tests, takes the change back. */
async function isNoticed({ file, find, replace, tests }: Protection): Promise<boolean> {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
  try {
    return !(await passes(tests));
  } finally {
    writeFileSync(path, source);
  }
}

async function passes(tests: readonly string[]): Promise<boolean> {
  const vitest = join(copy, 'node_modules/vitest/vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', '--bail', '1', ...tests], {
    cwd: copy,
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` },
  });
  const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), runTimeoutMs);
  const [status] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return status === 0;
}
