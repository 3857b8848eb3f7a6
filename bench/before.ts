/**
 * This checkout beside an earlier commit of it, in one run: `npm run bench -- before COMMIT [hello push wasm]`.
 * The commit is checked out into a temporary folder and installed there with `npm ci`.
 *
 * - hello: requests a second and latencies of the same functions, whole platforms with one runner each
 * - push: the same `git push` of a new module to each in turn: time, and processor time of the platform's processes but
 *   for runners and the vet child that waits for the next push
 * - wasm: bench/wasm.ts of each checkout, one after the other
 *
 * From the environment: ROUNDS, SECONDS (of a round), LOADER (load.ts).
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PlatformChild } from '../src/bin/platform-child.ts';
import { compileWat } from '../test/support/fleet.ts';
import { compare, count, ms, ratio, rounds, seconds } from './compare.ts';
import { loader } from './load.ts';
import { moduleOf } from './modules.ts';
import { median } from './statistics.ts';
import { table } from './table.ts';
import { helloCwa, helloWasi } from './wat-guests.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const [commit, ...sections] = process.argv.slice(2);
if (commit === undefined) throw new Error('usage: npm run bench -- before COMMIT [hello push wasm]');
const folder = await mkdtemp(join(tmpdir(), 'trisiel-before-'));
const environment = { ...process.env, HOME: folder, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };

interface Side {
  readonly checkout: string;
  readonly platform: PlatformChild;
  readonly token: string;
}

async function git(cwd: string, ...args: readonly string[]): Promise<void> {
  await run('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args], { cwd, env: environment });
}

/** Starts the platform of a checkout, with the parts of that checkout that start it, and makes a User. */
async function start(checkout: string): Promise<Side> {
  const { startPlatformChild } = (await import(
    join(checkout, 'src/bin/platform-child.ts')
  )) as typeof import('../src/bin/platform-child.ts');
  const platform = await startPlatformChild({
    TRISIEL_DATA: await mkdtemp(join(folder, 'data-')),
    TRISIEL_PORT: '0',
    TRISIEL_RUN_PORT: '0',
    TRISIEL_RUNNERS: '1',
    TRISIEL_REGISTRATION: 'open',
  });
  const signedUp = await fetch(`${platform.controlUrl}/api/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench', password: 'correct horse battery' }),
  });
  const { token } = (await signedUp.json()) as { token: string };
  return { checkout, platform, token };
}

/** Commits `wasm` as the only module of the repository in `repo`. */
async function commitModule(repo: string, wasm: Uint8Array): Promise<void> {
  await writeFile(join(repo, 'a.wasm'), wasm);
  await git(repo, 'add', 'a.wasm');
  await git(repo, 'commit', '-q', '-m', 'change');
}

async function makeRepo(): Promise<string> {
  const repo = await mkdtemp(join(folder, 'repo-'));
  await git(repo, 'init', '-q', '-b', 'main');
  return repo;
}

/** Pushes what `repo` holds; returns the milliseconds from the command to its end. */
async function push({ platform, token }: Side, repo: string, handler: string): Promise<number> {
  const startMs = performance.now();
  await git(repo, 'push', '-q', `${platform.controlUrl.replace('://', `://x:${token}@`)}/${handler}.git`, 'main');
  return performance.now() - startMs;
}

/**
 * Returns the processor time, in milliseconds, of a process and of its children that have ended: fields 14 to 17 of
 * /proc/PID/stat, proc(5), in ticks of 10 ms.
 */
function processorMs(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

type Sides = Readonly<Record<'before' | 'now', Side>>;

async function hello(sides: Sides): Promise<void> {
  const guests = { cwa: await compileWat(helloCwa), wasi: await compileWat(helloWasi) };
  const urls: Record<string, string> = {};
  for (const [abi, wasm] of Object.entries(guests)) {
    const repo = await makeRepo();
    await commitModule(repo, wasm);
    for (const [when, side] of Object.entries(sides)) {
      await push(side, repo, `hello-${abi}`);
      urls[`${abi}, ${when}`] = `${side.platform.runUrl}/hello-${abi}/`;
    }
  }
  const all = await compare(urls);
  table(
    `hello: 32 connections, ${loader}, medians of ${rounds} rounds of ${seconds} s`,
    ['', 'requests/s', 'p50 ms', 'p99 ms', 'x before', 'p99 x before', 'errors'],
    Object.entries(all).map(([name, { requestsPerSecond, p50Ms, p99Ms, errors }]) => {
      const before = all[name.replace('now', 'before')];
      return [
        name,
        count(requestsPerSecond),
        ms(p50Ms),
        ms(p99Ms),
        ratio(requestsPerSecond, before?.requestsPerSecond),
        ratio(p99Ms, before?.p99Ms),
        errors,
      ];
    }),
  );
}

async function pushes(sides: Sides): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const [size, functions] of [
    ['1 KB', 1],
    ['1 MB', 1_100],
  ] as const) {
    const repo = await makeRepo();
    const took = { before: [] as number[], now: [] as number[] };
    const cpuMs = { before: 0, now: 0 };
    // The first round warms up.
    for (let round = 0; round <= rounds * 2; round += 1) {
      await commitModule(repo, moduleOf(functions, round));
      for (const when of ['before', 'now'] as const) {
        const { pid } = sides[when].platform.child;
        const startMs = processorMs(pid);
        const tookMs = await push(sides[when], repo, `pushed-${functions}`);
        if (round === 0) continue;
        took[when].push(tookMs);
        cpuMs[when] += (processorMs(pid) - startMs) / (rounds * 2);
      }
    }
    const [before, now] = [median(took.before), median(took.now)];
    const cpu = [ms(cpuMs.before), ms(cpuMs.now), ratio(cpuMs.now, cpuMs.before)];
    rows.push([size, ms(before), ms(now), ratio(now, before), ...cpu]);
  }
  const columns = ['module', 'before ms', 'now ms', 'x before', 'cpu before ms', 'cpu now ms', 'x before'];
  table(`push: medians of ${rounds * 2}, means of processor time`, columns, rows);
}

async function wasm(checkouts: Readonly<Record<string, string>>): Promise<void> {
  for (const [when, checkout] of Object.entries(checkouts)) {
    console.log(`\nwasm, ${when}`);
    const child = spawn(process.execPath, [join(checkout, 'bench/main.ts'), 'wasm'], {
      cwd: checkout,
      stdio: 'inherit',
    });
    await once(child, 'exit');
  }
}

const checkout = join(folder, 'checkout');
await run('git', ['worktree', 'add', '--detach', checkout, commit], { cwd: root });
try {
  console.log(`installing ${commit} …`);
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: checkout, maxBuffer: 64 * 1024 * 1024 });
  const wanted = (name: string) => sections.length === 0 || sections.includes(name);
  if (wanted('hello') || wanted('push')) {
    const sides = { before: await start(checkout), now: await start(root) };
    try {
      if (wanted('hello')) await hello(sides);
      if (wanted('push')) await pushes(sides);
    } finally {
      await sides.before.platform.stop();
      await sides.now.platform.stop();
    }
  }
  if (wanted('wasm')) await wasm({ before: checkout, now: root });
} finally {
  await run('git', ['worktree', 'remove', '--force', checkout], { cwd: root });
  await rm(folder, { recursive: true, force: true });
}
