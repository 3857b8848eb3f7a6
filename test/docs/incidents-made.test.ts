/**
 * Incidents of docs/incidents.md are made on a real platform: what the page says that one sees is seen, and its
 * commands, typed in its order, end the incident.
 */
import { rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { type PlatformChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { fleetLimits } from '../../src/control/fleet/limits.ts';
import { busyMarkBytes } from '../../src/runner/busy-mark.ts';
import { PageShell, type PageWord } from '../support/console.ts';
import { removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { assemble, printing } from '../support/e2e-guests.ts';
import { textOf } from '../support/page-blocks.ts';
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';

const page = textOf('docs/incidents.md');
const patient = { timeout: 120_000, interval: 100 };
/** Milliseconds that an incident may take: dozens of commands on a busy machine. */
const incidentMs = 900_000;

/** Returns the section below a heading of the page. */
function section(heading: string): string {
  const [, text = ''] = page.split(`\n## ${heading}\n`);
  expect(text, heading).not.toBe('');
  return text.split('\n## ')[0] ?? '';
}

/** Returns the commands in backticks of a section that can be typed here, in its order. */
function commandsIn(text: string): readonly string[] {
  return [...text.matchAll(/`((?:df|du|trisiel|wasmcloud) [^`]+|trisiel doctor)`/g)].map(([, command = '']) => command);
}

/** Never returns. */
const spinning = assemble(
  '(module (memory (export "memory") 1) (func (export "cwa_main") (result i32) (loop (br 0)) unreachable))',
);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await removeTemporaryFolders();
});

interface Place {
  readonly platform: PlatformChild;
  /** Shell of the first user, who administers the platform. */
  readonly shell: PageShell;
}

/** Starts a platform with one runner, and signs its administrator up. `words`: what words of the page are here. */
async function start(data: string, words: readonly PageWord[] = []): Promise<Place> {
  const platform = await startPlatformChild({
    ...{ TRISIEL_DATA: data, TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0', TRISIEL_RUNNERS: '1' },
  });
  ends.push(() => platform.stop());
  const { controlUrl, runUrl } = platform;
  const home = await temporaryFolder();
  const env = { TRISIEL_DATA: data };
  const shell = await PageShell.open({ home, controlUrl, runUrl, env, words: [['/var/lib/trisiel', data], ...words] });
  const { code } = JSON.parse(await platform.logged('there is no account yet')) as { code: string };
  await shell.must(`wasmcloud signup ada --invite ${code} --password-stdin`, 'correct horse battery');
  return { platform, shell };
}

/** Makes a function live from a repository of that name in the home folder, and stays there. */
async function live(shell: PageShell, name: string, wasm: Uint8Array): Promise<void> {
  await shell.must(`mkdir ~/${name} && cd ~/${name} && git init --quiet --initial-branch=main`);
  await shell.write('function.wasm', wasm);
  await shell.must('git add --all && git commit --quiet --message Work');
  await shell.must(`wasmcloud create ${name} && git push --quiet wasmcloud main`);
}

const answerOf = async ({ runUrl }: PlatformChild, name: string) => {
  const answer = await fetch(`${runUrl}/${name}/`);
  return { status: answer.status, text: await answer.text() };
};

/** Lines of the platform's log that have `text`. */
const linesWith = (platform: PlatformChild, text: string): readonly Readonly<Record<string, unknown>>[] =>
  platform
    .log()
    .split('\n')
    .filter((line) => line.includes(text))
    .map((line) => JSON.parse(line));

const disk: SmallDisk | null = mountSmallDisk(96 * 1024 * 1024);
if (disk === null) process.stderr.write('skipped: the incident of a full disk (mounting a small one needs root)\n');
afterAll(() => disk?.unmount());

describe.skipIf(disk === null)('a full disk', () => {
  const text = section('The disk is full');

  it('is seen as the page says, and ends with its commands, without a restart', { timeout: incidentMs }, async () => {
    if (disk === null) return;
    const { platform, shell } = await start(disk.folder, [['NAME --purge', 'large --purge --confirm large']]);
    await live(shell, 'large', printing('large\n'));
    await live(shell, 'served', printing('one\n'));

    const filler = disk.fill('filler');
    await shell.write('function.wasm', printing('two\n'));
    await shell.must('git commit --quiet --all --message Second');
    const refused = await shell.run('git push --quiet wasmcloud main');
    const told = [...text.matchAll(/`(the (?:disk|platform) [^`]+)`/g)].map(([, words = '']) => words);
    expect(told).toHaveLength(2);
    expect(refused.status).toBe(1);
    expect(refused.output).toMatch(new RegExp(told.join('|')));
    expect((await fetch(`${platform.controlUrl}/readyz`)).status).toBe(200);
    expect(await answerOf(platform, 'served')).toEqual({ status: 200, text: 'one\n' });
    expect(text).toContain('`database or disk is full`');
    await vi.waitFor(async () => {
      await answerOf(platform, 'served');
      expect(linesWith(platform, 'database or disk is full').length).toBeGreaterThan(0);
    }, patient);

    const [df = '', du = '', users = '', purge = '', quota = '', ...others] = commandsIn(text);
    expect(others).toEqual([]);
    expect(await shell.must(df)).toMatch(/100%/);
    expect(await shell.must(du)).toContain('filler');
    expect(await shell.must(users)).toContain('ada');
    expect(await shell.must(purge)).toContain('large');
    rmSync(filler);
    expect(await shell.must(quota.replace('NAME', 'ada'))).toContain('500');
    await vi.waitFor(() => shell.must('git push --quiet wasmcloud main'), patient);
    expect(await answerOf(platform, 'served')).toEqual({ status: 200, text: 'two\n' });
  });
});

/** Pid of the runner that serves now, of `count` that have served so far. */
async function runner(platform: PlatformChild, count: number): Promise<number> {
  return vi.waitFor(() => {
    const started = linesWith(platform, '"a runner serves"');
    expect(started.length).toBeGreaterThanOrEqual(count);
    return Number(started.at(-1)?.pid);
  }, patient);
}

const ended = (platform: PlatformChild): readonly Readonly<Record<string, unknown>>[] =>
  linesWith(platform, '"kind":"runner_ended"');

it('runners that end again and again are seen as the page says', { timeout: incidentMs }, async () => {
  const text = section('Runners end again and again');
  const data = await temporaryFolder();
  const { platform, shell } = await start(data);
  await live(shell, 'served', printing('one\n'));
  for (let deaths = 1; deaths <= 3; deaths += 1) {
    process.kill(await runner(platform, deaths), 'SIGKILL');
    await vi.waitFor(() => expect(ended(platform).length).toBe(deaths), patient);
  }
  expect(text).toContain('`a runner ended`');
  expect(ended(platform).map(({ msg }) => msg)).toEqual(Array(3).fill('a runner ended: signal SIGKILL'));
  expect(text).toContain('`signal SIGKILL`');
  // The platform kills one itself.
  process.kill(await runner(platform, 4), 'SIGSTOP');
  await vi.waitFor(() => expect(ended(platform).length).toBe(4), patient);
  expect(text).toContain('`its event loop stood still`');
  expect(String(ended(platform).at(-1)?.msg)).toContain('its event loop stood still');
  await runner(platform, 5);
  expect(await answerOf(platform, 'served')).toEqual({ status: 200, text: 'one\n' });

  const [check = '', doctor = '', ...others] = commandsIn(text);
  expect(others).toEqual([]);
  expect(await shell.must(check)).toContain('all well');
  expect(await shell.must(doctor)).toContain('well');
});

it('a port in use is said by the line of the page', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  ends.push(() => taken.close());
  await vi.waitFor(() => expect(taken.listening).toBe(true), patient);
  const { port } = taken.address() as { port: number };
  const env = { TRISIEL_DATA: await temporaryFolder(), TRISIEL_PORT: '0', TRISIEL_RUN_PORT: String(port) };
  const failed = await startPlatformChild(env).then(
    () => '',
    (error: Error) => error.message,
  );
  const [, said = ''] = /`(port 3003 … [^`]+)`/.exec(section('Runners end again and again')) ?? [];
  const [begin = '', end = ''] = said.replace('3003', String(port)).split(' … ');
  expect(failed).toMatch(new RegExp(`${begin}.*${end}`));
});

/** Whether a guest holds the thread of a runner: src/runner/busy-mark.ts writes the first bytes of its fifth file. */
async function isHeld(pid: number): Promise<boolean> {
  const file = await open(`/proc/${pid}/fd/4`);
  const { buffer } = await file.read(Buffer.alloc(busyMarkBytes), 0, busyMarkBytes, 0);
  await file.close();
  return buffer.some((byte) => byte !== 0);
}

it.skipIf(process.platform !== 'linux')(
  'a function that ends runners is quarantined, and ends so as the page says',
  { timeout: incidentMs },
  async () => {
    const text = section('A function is quarantined');
    const { platform, shell } = await start(await temporaryFolder());
    await live(shell, 'served', printing('one\n'));
    await live(shell, 'guilty', printing('good\n'));
    await shell.write('function.wasm', spinning);
    // It runs until its runner is ended, however late that is.
    await shell.write('wasmcloud.toml', '[limits]\ngas = 1_000_000_000_000\ntimeout-ms = 900_000\n');
    await shell.must('git add --all && git commit --quiet --message Spins && git push --quiet wasmcloud main');
    for (let deaths = 1; deaths <= fleetLimits.quarantineDeaths; deaths += 1) {
      const pid = await runner(platform, deaths);
      const called = answerOf(platform, 'guilty').catch(() => null);
      await vi.waitFor(async () => expect(await isHeld(pid)).toBe(true), patient);
      // A fault of the processor, in code of the function.
      process.kill(pid, 'SIGSEGV');
      await called;
      await vi.waitFor(() => expect(ended(platform).length).toBe(deaths), patient);
    }
    await platform.logged('"kind":"quarantined"');
    expect(text).toContain('`quarantined`');
    await runner(platform, fleetLimits.quarantineDeaths + 1);
    expect(await answerOf(platform, 'guilty')).toMatchObject({ status: 503 });
    expect(await answerOf(platform, 'served')).toEqual({ status: 200, text: 'one\n' });
    expect(text).toContain('`stopped: …`');
    await vi.waitFor(async () => expect(await shell.must('wasmcloud logs guilty')).toContain('stopped: '), patient);

    const [rollback = '', ...others] = commandsIn(text);
    expect(others).toEqual([]);
    expect(await shell.must(rollback.replace('NAME v3', 'guilty v1 --yes'))).toContain('v1');
    expect(await answerOf(platform, 'guilty')).toEqual({ status: 200, text: 'good\n' });
  },
);
