import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { handlerIdOf } from '../../../src/protocol/names.ts';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, line, record, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    variables = { WASMCLOUD_TOKEN: await control.user('ada') };
    await control.handler('swift-otter', 'ada');
    await control.deploy({ handler: 'swift-otter', user: 'ada', number: 1, state: 'retired' });
    await control.deploy({
      handler: 'swift-otter',
      user: 'ada',
      number: 2,
      state: 'failed',
      failure: 'a runner could not compile it',
    });
    await control.deploy({ handler: 'swift-otter', user: 'ada', number: 3, state: 'live' });
  },
  () => control.close(),
);
afterAll(() => control.close());

const wasmcloud = (words: readonly string[], options: { stdin?: string; cwd?: string } = {}) =>
  home.wasmcloud(words, { ...options, variables });

test('create in a repository adds the remote and says what to type next', async () => {
  const cwd = join(control.folder, 'repository');
  await mkdir(cwd);
  await home.git(['init', '-q', '-b', 'trunk'], { cwd });
  const url = `${control.url}/new-one.git`;
  const created = await wasmcloud(['create', 'new-one'], { cwd });
  expect(created).toMatchObject({ status: 0 });
  expect(created.stdout).toContain('added the git remote wasmcloud');
  expect(created.stdout).toContain('git push wasmcloud trunk');
  expect((await home.git(['remote', 'get-url', 'wasmcloud'], { cwd })).stdout.trim()).toBe(url);
  // Logged in through WASMCLOUD_TOKEN only, this repository still pushes without a password.
  const fill = await home.git(['credential', 'fill'], { cwd, stdin: `url=${url}\n\n` });
  expect(fill.stderr).toContain('not logged in');

  await writeFile(join(cwd, 'a'), '');
  await home.git(['add', '.'], { cwd });
  await home.git(['commit', '-qm', 'x'], { cwd });
  const other = await wasmcloud(['create', 'another-one'], { cwd });
  expect(other.stdout).toContain(`the git remote wasmcloud points at ${url} and was left alone`);
  expect(other.stdout).toContain(`git remote set-url wasmcloud ${control.url}/another-one.git`);
});

test('create outside of a repository prints the remote to add, and without a name makes one up', async () => {
  const cwd = join(control.folder, 'plain');
  await mkdir(cwd);
  const created = await home.wasmcloud(['create', '--json'], {
    cwd,
    variables: { ...variables, GIT_CEILING_DIRECTORIES: control.folder },
  });
  const handler = JSON.parse(created.stdout);
  expect(handler).toMatchObject({ state: 'empty', owner: 'ada', remote: { kind: 'no-repository' } });
  expect(handler.name).toMatch(/^[a-z]+-of-[a-z]+-\d{4}$/);
});

test('a name that cannot be one is refused before the server is asked', async () => {
  const refused = await wasmcloud(['create', 'Not A Name']);
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain('hint: a name has 1 to 40');
});

test('a name that is taken by oneself says so, and how to push to it', async () => {
  const own = await wasmcloud(['create', 'swift-otter']);
  expect(own.stderr).toContain('swift-otter is yours already');
  expect(own.stderr).toContain(`git remote add wasmcloud ${control.url}/swift-otter.git`);
  await control.user('mallory');
  await control.handler('somebody-elses', 'mallory');
  expect((await wasmcloud(['create', 'somebody-elses'])).stderr).toContain('is taken');
});

test('list and show, for people and for programs', async () => {
  const list = await wasmcloud(['list']);
  expect(list.stdout).toMatch(/^NAME +STATE +LIVE +DEPLOYED +URL$/m);
  expect(list.stdout).toMatch(/^swift-otter +live +v3 +.*http:\/\/swift-otter\.localhost:\d+$/m);
  const names = JSON.parse((await wasmcloud(['list', '--json'])).stdout).map(
    (handler: { name: string }) => handler.name,
  );
  expect(names).toContain('swift-otter');
  expect((await wasmcloud(['show', 'swift-otter'])).stdout).toMatch(/^state +live v3$/m);
  expect(JSON.parse((await wasmcloud(['--json', 'show', 'swift-otter'])).stdout)).toMatchObject({ version: 3 });
});

test('without a command and without a terminal the first screen is printed', async () => {
  expect((await wasmcloud([])).stdout).toMatch(/^NAME +STATE/);
  expect(Array.isArray(JSON.parse((await wasmcloud(['--json'])).stdout))).toBe(true);
});

test("somebody else's handler does not exist", async () => {
  const token = await control.user('eve');
  const answer = await home.wasmcloud(['show', 'swift-otter'], { variables: { WASMCLOUD_TOKEN: token } });
  expect(answer).toMatchObject({ status: 1, stdout: '' });
});

test('a rollback finds versions that are not among the newest', async () => {
  await control.handler('much-pushed', 'ada');
  await control.deploy({ handler: 'much-pushed', user: 'ada', number: 1, state: 'live' });
  for (let number = 2; number <= 110; number += 1)
    await control.deploy({ handler: 'much-pushed', user: 'ada', number, state: 'retired' });
  expect((await wasmcloud(['rollback', 'much-pushed', 'v2'])).stderr).toContain('much-pushed: v1 -> v2 needs a yes');
  expect((await wasmcloud(['rollback', 'much-pushed', 'v111'])).stderr).toContain('much-pushed has no deployment v111');
});

test('a rollback is previewed, needs a yes, and refuses what never went live', async () => {
  const asked = await wasmcloud(['rollback', 'swift-otter', 'v1']);
  expect(asked).toMatchObject({ status: 1 });
  expect(asked.stderr).toContain('swift-otter: v3 -> v1 needs a yes');
  expect(asked.stderr).toMatch(/^ +v3 .* \(live now\)\n +v1 /m);
  expect((await wasmcloud(['rollback', 'swift-otter', 'v2', '--yes'])).stderr).toContain('v2 never went live (failed)');
  expect((await wasmcloud(['rollback', 'swift-otter', '9', '--yes'])).stderr).toContain('can be served again: v1');
  const done = await wasmcloud(['rollback', 'swift-otter', 'v1', '--yes', '--json']);
  expect(JSON.parse(done.stdout)).toEqual({ name: 'swift-otter', from: 3, to: 1 });
  const deployments = JSON.parse((await wasmcloud(['deployments', 'swift-otter', '--json'])).stdout);
  expect(deployments.map((d: { number: number; state: string }) => [d.number, d.state])).toEqual([
    [3, 'retired'],
    [2, 'failed'],
    [1, 'live'],
  ]);
});

test('a value goes in on stdin, never in argv, and is shown masked', async () => {
  const argv = await wasmcloud(['env', 'swift-otter', 'set', 'KEY=hunter2']);
  expect(argv).toMatchObject({ status: 1 });
  expect(argv.stderr).not.toContain('hunter2');
  expect(
    await wasmcloud(['env', 'swift-otter', 'set', 'API_KEY'], { stdin: 'a-very-secret-value-9876\n' }),
  ).toMatchObject({ status: 0 });
  const listed = await wasmcloud(['env', 'swift-otter']);
  expect(listed.stdout).toMatch(/^API_KEY +•+9876 \(24 B\)/m);
  expect(JSON.parse((await wasmcloud(['env', 'swift-otter', '--json'])).stdout)).toMatchObject([
    { key: 'API_KEY', bytes: 24 },
  ]);
  expect(await wasmcloud(['env', 'swift-otter', 'unset', 'API_KEY'])).toMatchObject({ status: 0 });
  expect(await wasmcloud(['env', 'swift-otter', 'unset', 'API_KEY'])).toMatchObject({ status: 1 });
});

test('delete needs the name twice, restore brings it back', async () => {
  await control.handler('gone-soon', 'ada');
  expect(await wasmcloud(['delete', 'gone-soon'])).toMatchObject({ status: 1 });
  expect((await wasmcloud(['delete', 'gone-soon', '--confirm', 'gone'])).stderr).toContain('nothing was deleted');
  expect(await wasmcloud(['delete', 'gone-soon', '--confirm', 'gone-soon'])).toMatchObject({ status: 0 });
  expect(await wasmcloud(['show', 'gone-soon'])).toMatchObject({ status: 1 });
  expect(await wasmcloud(['restore', 'gone-soon'])).toMatchObject({ status: 0 });
  expect(await wasmcloud(['show', 'gone-soon'])).toMatchObject({ status: 0 });
});

test('delete --purge needs the name twice too, and removes a handler for good, also a deleted one', async () => {
  await control.handler('gone-for-good', 'ada');
  const refused = await wasmcloud(['delete', 'gone-for-good', '--purge']);
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toContain('wasmcloud delete gone-for-good --purge --confirm gone-for-good');
  expect((await wasmcloud(['delete', 'gone-for-good', '--purge', '--confirm', 'gone'])).stderr).toContain(
    'nothing was deleted',
  );
  expect(await wasmcloud(['delete', 'gone-for-good', '--confirm', 'gone-for-good'])).toMatchObject({ status: 0 });
  expect((await wasmcloud(['list', '--deleted'])).stdout).toContain('gone-for-good');
  const purged = await wasmcloud(['delete', 'gone-for-good', '--purge', '--confirm', 'gone-for-good']);
  expect(purged).toMatchObject({ status: 0, stdout: 'removed gone-for-good for good\n' });
  expect((await wasmcloud(['list', '--deleted'])).stdout).not.toContain('gone-for-good');
});

test('an invocation shows with what it used and logged', async () => {
  const one = record('swift-otter', 'i_abc', { status: 500, outcome: 'trapped', path: '/x\u001b[2J' });
  await control.record({ records: [one], counts: [] });
  await control.write(line('swift-otter', 'about to \u001b[31mtrap', { invocation: 'i_abc', level: 1 }));
  const listed = await wasmcloud(['invocations', 'swift-otter']);
  expect(listed.stdout).toMatch(/i_abc +500 +trapped .*GET \/x\^\[\[2J$/m);
  const shown = await wasmcloud(['invocations', 'swift-otter', 'i_abc']);
  expect(shown.stdout).toContain('ERROR v1 i_abc about to ^[[31mtrap');
  expect(shown.stdout).toMatch(/^log_write +1/m);
  expect(JSON.parse((await wasmcloud(['invocations', 'swift-otter', 'i_abc', '--json'])).stdout)).toMatchObject({
    outcome: 'trapped',
    lines: [{ level: 1 }],
  });
});

test('invocations --running lists those that have not ended, and says when there are none', async () => {
  await control.handler('long-runs', 'ada');
  await control.record({ records: [record('long-runs', 'i_ended')], counts: [] });
  const running = ['invocations', 'long-runs', '--running'];
  const none = await wasmcloud(running);
  expect(none).toMatchObject({ status: 0, stdout: '' });
  expect(none.stderr).toContain('no invocation is running');

  const { id } = (await control.handlers.find('long-runs'))!;
  const { handler: _, ...facts } = record('long-runs', 'i_goes_on', { status: 0, outcome: 'running', path: '/slow' });
  const started = [{ ...facts, handlerId: handlerIdOf(id), startedMs: Date.now() - 5_000 }];
  control.usage.running('runner-1', { started, ended: [] });
  const listed = await wasmcloud(running);
  expect(listed.stdout).toMatch(/i_goes_on +- +running .*GET \/slow$/m);
  expect(listed.stdout).not.toContain('i_ended');
  expect(JSON.parse((await wasmcloud([...running, '--json'])).stdout)).toMatchObject([
    { id: 'i_goes_on', outcome: 'running', durationMs: expect.toSatisfy((ms: number) => ms >= 5_000) },
  ]);
  control.usage.running('runner-1', { started: [], ended: ['i_goes_on'] });
  expect((await wasmcloud(running)).stderr).toContain('no invocation is running');
});

test('invocations --cancel ends one that runs, and refuses others', async () => {
  await control.handler('endless', 'ada');
  await control.record({ records: [record('endless', 'i_over')], counts: [] });
  const { id } = (await control.handlers.find('endless'))!;
  const { handler: _, ...facts } = record('endless', 'i_goes_on', { status: 0, outcome: 'running' });
  const started = [{ ...facts, handlerId: handlerIdOf(id), trigger: { kind: 'queue', name: 'jobs\u001b' } as const }];
  control.usage.running('r', { started, ended: [] });
  expect((await wasmcloud(['invocations', 'endless', 'i_goes_on'])).stdout).toMatch(/^trigger +queue jobs\^\[$/m);
  const cancelled = await wasmcloud(['invocations', 'endless', 'i_goes_on', '--cancel']);
  expect(cancelled.stdout).toBe('i_goes_on is ended; its caller is answered 503 cancelled\n');
  const again = await wasmcloud(['invocations', 'endless', 'i_over', '--cancel']);
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('this invocation has ended')]);
  const without = await wasmcloud(['invocations', 'endless', '--cancel']);
  expect(without.stderr).toContain('--cancel needs the id');
});

test('namegen, docs and completion work without a login', async () => {
  const nobody = await Home.make(control);
  expect((await nobody.wasmcloud(['namegen', '-n', '3'])).stdout.split('\n').filter(Boolean)).toHaveLength(3);
  const docs = await nobody.wasmcloud(['docs']);
  expect(docs.stdout).toContain('cwa.log_write  (i32, i32, i32)');
  expect(docs.stderr).toContain(`the book: ${control.url}/docs\n`);
  expect((await nobody.wasmcloud(['completion', 'fish'])).stdout).toContain('-a rollback');
});

test('a word that is no command gets a suggestion', async () => {
  const answer = await wasmcloud(['deploymnts']);
  expect(answer.status).toBe(1);
  expect(answer.stderr).toContain('Did you mean deployments?');
});

test('inside a repository with the remote, commands need no name', async () => {
  const folder = join(control.folder, 'inside');
  await mkdir(folder);
  const at = { variables, cwd: folder };
  await home.git(['init', '-q', '.'], { cwd: folder });
  expect((await home.wasmcloud(['show'], at)).stderr).toContain('no git remote here leads to');
  await home.wasmcloud(['create', 'inside-otter'], at);
  expect((await home.wasmcloud(['show'], at)).stdout).toContain('inside-otter');
  expect((await home.wasmcloud(['branch', 'trunk'], at)).stdout).toBe('pushes to trunk deploy inside-otter\n');
  expect((await home.wasmcloud(['env', 'set', 'KEY'], { ...at, stdin: 'v' })).stdout).toBe(
    'set KEY for inside-otter\n',
  );
  expect((await home.wasmcloud(['env'], at)).stdout).toContain('KEY');
  expect((await home.wasmcloud(['rollback', 'v3', '--yes'], at)).stderr).toContain('inside-otter has no deployment v3');
  expect((await home.wasmcloud(['open'], at)).stdout).toMatch(/^http:\/\/inside-otter\.localhost:\d+\n$/);
});

test('rename finds the name in the URL of a remote, not in the suffix of it', async () => {
  const cwd = join(control.folder, 'renamed-short');
  await mkdir(cwd);
  const at = { variables, cwd };
  await home.git(['init', '-q', '.'], at);
  expect((await home.wasmcloud(['create', 'it'], at)).status).toBe(0);
  expect((await home.wasmcloud(['rename', 'it', 'heron'], at)).status).toBe(0);
  expect((await home.git(['remote', '-v'], at)).stdout).toMatch(/wasmcloud\t\S+\/heron\.git/);
});

test('rename tells the new name, and the remotes of the repository follow', async () => {
  const cwd = join(control.folder, 'renamed');
  await mkdir(cwd);
  const at = { variables, cwd };
  await home.git(['init', '-q', '.'], at);
  await home.wasmcloud(['create', 'early-otter'], at);
  await home.git(['remote', 'add', 'other', 'https://example.com/early-otter.git'], at);
  const renamed = await home.wasmcloud(['rename', 'early-otter', 'late-otter'], at);
  expect(renamed).toMatchObject({ status: 0, stdout: expect.stringContaining('early-otter is called late-otter now') });
  expect(renamed.stdout).toContain('the git remote wasmcloud leads to it');
  const remotes = (await home.git(['remote', '-v'], at)).stdout;
  expect(remotes).toMatch(/wasmcloud\t\S+\/late-otter\.git/);
  expect(remotes).toContain('https://example.com/early-otter.git');
  expect((await home.wasmcloud(['show'], at)).stdout).toContain('late-otter');
  expect((await home.wasmcloud(['show'], at)).stdout).toMatch(
    /formerly\s+early-otter, which is kept for its owner until/,
  );
  expect((await home.wasmcloud(['list'], at)).stdout).toMatch(/FORMERLY.*\n(?:.*\n)*late-otter .* early-otter /);
  const before = await home.wasmcloud(['show', 'early-otter'], at);
  expect(before).toMatchObject({ status: 1, stderr: expect.stringContaining('early-otter is called late-otter now') });
  expect((await home.wasmcloud(['rename', 'late-otter', 'Lаte'], at)).stderr).toContain('cannot name a handler');
});

test('new makes a repository with a function, and says what to type next', async () => {
  const cwd = join(control.folder, 'new');
  await mkdir(cwd);
  const made = await home.wasmcloud(['new', 'C', 'fresh-otter'], { cwd });
  expect(made).toMatchObject({ status: 0, stderr: expect.stringContaining('wasmcloud create fresh-otter') });
  expect(made.stdout).toContain('main.c');
  const at = { cwd: join(cwd, 'fresh-otter') };
  expect((await home.git(['symbolic-ref', '--short', 'HEAD'], at)).stdout).toBe('main\n');
  const again = await home.wasmcloud(['new', 'c', 'fresh-otter'], { cwd });
  expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining('is not empty; nothing was written') });
  expect((await home.wasmcloud(['new', 'cobol', 'x'], { cwd })).stderr).toContain('It must be one of c, rust, go');
  expect((await home.wasmcloud(['new', 'c', '../x'], { cwd })).stderr).toContain('cannot name a handler');
});

test('list --deleted shows what can be restored', async () => {
  await control.handler('gone-otter', 'ada');
  await home.wasmcloud(['delete', 'gone-otter', '--confirm', 'gone-otter'], { variables });
  expect((await home.wasmcloud(['list'], { variables })).stdout).not.toContain('gone-otter');
  expect((await home.wasmcloud(['list', '--deleted'], { variables })).stdout).toMatch(/^gone-otter +deleted/m);
});

test('list --search finds a part of a name, in any case, among deleted ones too', async () => {
  await control.handler('sought-mole', 'ada');
  const found = await wasmcloud(['list', '--search', 'T-MOL']);
  expect(
    found.stdout
      .trim()
      .split('\n')
      .map((row) => row.split(' ')[0]),
  ).toEqual(['NAME', 'sought-mole']);
  await wasmcloud(['delete', 'sought-mole', '--confirm', 'sought-mole']);
  expect(await wasmcloud(['list', '--search', 't-mol'])).toMatchObject({
    status: 0,
    stdout: '',
    stderr: 'no handler has t-mol in its name\n',
  });
  expect((await wasmcloud(['list', '--deleted', '--search', 't-mol'])).stdout).toMatch(/^sought-mole +deleted/m);
});

test('an empty value is refused unless it is asked for', async () => {
  await control.handler('empty-otter', 'ada');
  const refused = await home.wasmcloud(['env', 'empty-otter', 'set', 'KEY'], { variables, stdin: '' });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(
    'KEY got an empty value; nothing was set\nhint: if it is to be empty: wasmcloud env',
  );
  const asked = await home.wasmcloud(['env', 'empty-otter', 'set', 'KEY', '--empty'], { variables });
  expect(asked.stdout).toBe('set KEY for empty-otter\n');
});

test('a value that is no text is refused, not stored as another one', async () => {
  await control.handler('octet-otter', 'ada');
  const set = (stdin: Uint8Array) => home.wasmcloud(['env', 'octet-otter', 'set', 'KEY'], { variables, stdin });
  const refused = await set(Uint8Array.of(0xc3, 0x28, 0xff));
  expect(refused).toMatchObject({ status: 1, stdout: '' });
  expect(refused.stderr).toContain('standard input is not UTF-8 text\nhint: encode it');
  expect((await set(Buffer.from('ключ\u{1f511}'))).stdout).toBe('set KEY for octet-otter\n');
});

test('quota tells what is used, for people and for programs', async () => {
  expect((await wasmcloud(['quota'])).stdout).toMatch(/ of 2 GiB used \(0 %\)\n\nrepositories +0 B\n/);
  expect(JSON.parse((await wasmcloud(['quota', '--json'])).stdout)).toMatchObject({
    quotaBytes: 2 * 1024 ** 3,
    byKind: { repositories: 0 },
  });
});
