import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, line, record, root, run, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    variables = { WASMCLOUD_TOKEN: await control.user('ada') };
    for (const name of ['swift-otter', 'quiet', 'chatty', 'choosy']) await control.handler(name, 'ada');
    await control.write(
      line('swift-otter', 'old', { timeMs: Date.parse('2019-06-01') }),
      line('swift-otter', 'hello'),
      line('swift-otter', 'clear \u001b[2J the screen', { level: 3 }),
      line('swift-otter', 'boom', { level: 1, invocation: 'a693a7ef22c5-2', stream: 'stderr' }),
      line('choosy', 'slow', { fields: JSON.stringify({ user: 42, ok: true }) }),
      line('choosy', 'fast', { deployment: 2, fields: JSON.stringify({ user: 420, ok: true }) }),
      line('choosy', 'of the preview', { preview: 'dev' }),
    );
  },
  () => control.close(),
);
afterAll(() => control.close());

const logs = (words: readonly string[]) => home.wasmcloud(['logs', ...words], { variables });

test('a log in plain text shows time, level, version, invocation and text, with control characters visible', async () => {
  const { stdout } = await logs(['swift-otter', '-n', '3']);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO {2}v1 ef22c5-1 hello$/);
  expect(lines[1]).toMatch(/ WARN {2}v1 ef22c5-1 clear \^\[\[2J the screen$/);
  expect(lines[2]).toMatch(/ ERROR v1 ef22c5-2 \[stderr\] boom$/);
});

test('--json is one object a line, the text as written', async () => {
  const { stdout } = await logs(['swift-otter', '-n', '3', '--json']);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(lines.map(({ text }) => text)).toEqual(['hello', 'clear \u001b[2J the screen', 'boom']);
});

test.each([
  [['--level', 'error'], ['boom']],
  [
    ['--level', 'warning'],
    ['clear \u001b[2J the screen', 'boom'],
  ],
  [['--grep', 'HELL'], ['hello']],
  [['--invocation', 'a693a7ef22c5-2'], ['boom']],
  [['--stderr'], ['boom']],
  [
    ['--since', '1h', '--limit', '2'],
    ['clear \u001b[2J the screen', 'boom'],
  ],
  [['--until', '2020-01-01', '--since', '2019-01-01'], ['old']],
  [['--limit', '1'], ['boom']],
  [['--after', '2', '--limit', '1'], ['clear \u001b[2J the screen']],
])('%j chooses lines', async (words, texts) => {
  const { stdout } = await logs(['swift-otter', '--json', ...words]);
  expect(
    stdout
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text).text),
  ).toEqual(texts);
});

test.each([
  [
    ['--regex', '^(slow|fast)$'],
    ['slow', 'fast'],
  ],
  [['--field', 'user=42'], ['slow']],
  [
    ['--field', 'user', '--field', 'ok=true'],
    ['slow', 'fast'],
  ],
  [['--deployment', 'v2'], ['fast']],
  [['--preview', 'dev'], ['of the preview']],
])('%j chooses lines by what the function said, its version and its preview', async (words, texts) => {
  const { stdout } = await logs(['choosy', '--json', ...words]);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.map((text) => JSON.parse(text).text)).toEqual(texts);
});

test('several functions have one log, in the order of the lines; one of somebody else is as one that is not there', async () => {
  const { stdout } = await logs(['choosy', 'swift-otter', '--json', '-n', '4']);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text));
  expect(lines.map(({ handler, text }) => [handler, text])).toEqual([
    ['swift-otter', 'boom'],
    ['choosy', 'slow'],
    ['choosy', 'fast'],
    ['choosy', 'of the preview'],
  ]);
  await control.user('eve');
  await control.handler('secret-otter', 'eve');
  await control.write(line('secret-otter', 'of eve'));
  const answers = await Promise.all(
    ['secret-otter', 'absent-otter'].map(async (name) => {
      const { status, stdout, stderr } = await logs(['choosy', name, '--json']);
      return { status, stdout, stderr: stderr.replaceAll(name, 'NAME').replace(/"request":"\w+"/, '') };
    }),
  );
  expect(answers[0]).toEqual({ status: 1, stdout: '', stderr: expect.stringContaining('NAME') });
  expect(answers[0]).toEqual(answers[1]);
});

test('log-retention shows what the server keeps, sets days and bytes of a function, and takes both back', async () => {
  const retention = (...words: string[]) => home.wasmcloud(['log-retention', 'kept', ...words], { variables });
  await control.handler('kept', 'ada');
  const usual = (await retention()).stdout;
  expect(usual).toMatch(/^days +\d+ \(default\)\nbytes +\S+ \(default\)\n$/);
  await control.write(line('kept', 'old', { timeMs: Date.now() - 3 * 24 * 60 * 60_000 }));
  await control.write(line('kept', 'new'));
  expect((await retention('--days', '2', '--bytes', '1MiB')).stdout).toBe('days   2\nbytes  1MiB\n');
  expect((await logs(['kept', '--grep', 'old'])).stdout).toBe('');
  expect((await logs(['kept'])).stdout).toMatch(/ new\n$/);
  expect((await retention('--days', 'default', '--bytes', 'default')).stdout).toBe(usual);
});

test('an empty log says what to do, on stderr only', async () => {
  const answer = await logs(['quiet']);
  expect(answer).toMatchObject({ status: 0, stdout: '' });
  expect(answer.stderr).toContain('wasmcloud invoke quiet');
});

test('a search goes on past the limit of one answer of the server', async () => {
  await control.handler('verbose', 'ada');
  await control.write(line('verbose', 'a needle'));
  const hay = 'x'.repeat(16_000);
  // 48 MB of text: more than the server looks through for one answer.
  for (let n = 0; n < 15; n += 1) await control.write(...Array.from({ length: 200 }, () => line('verbose', hay)));
  const { id, name } = (await control.handlers.find('verbose'))!;
  expect(await control.logs.query({ id, name }, { grep: 'needle' })).toMatchObject({ lines: [], stopped: true });
  for (const words of [['verbose'], ['verbose', '--after', '0']]) {
    const answer = await logs([...words, '--grep', 'needle', '--json']);
    expect(JSON.parse(answer.stdout)).toMatchObject({ text: 'a needle' });
    expect(answer.stderr).toBe('');
  }
});

test('lines that are not kept any more are told to who goes on from a cursor', async () => {
  await control.handler('trimmed', 'ada');
  for (let n = 0; n < 3; n += 1)
    await control.write(...Array.from({ length: 1_000 }, (_, i) => line('trimmed', `line ${n * 1_000 + i}`)));
  const { id, name } = (await control.handlers.find('trimmed'))!;
  const { lines: all } = await control.logs.query({ id, name }, { after: 0, limit: 1 });
  const after = String(all[0]!.cursor);
  await control.logs.trim(id, 1);
  const { stdout } = await logs(['trimmed', '--after', after, '-n', '1']);
  expect(stdout.split('\n')[0]).toBe('-- 2000 lines after this cursor are not kept any more --');
  expect(stdout.split('\n')[1]).toContain(' line 2000');
  const json = (await logs(['trimmed', '--after', after, '-n', '1', '--json'])).stdout.trimEnd().split('\n');
  expect(json.map((text) => JSON.parse(text))).toMatchObject([{ expired: 2_000 }, { text: 'line 2000' }]);
});

test('calls show among their log lines, those of a status alone, and none with --no-requests', async () => {
  await control.handler('called', 'ada');
  const startedMs = Date.now() - 60_000;
  const call = (id: string, more: object) => record('called', id, { startedMs, durationMs: 12, ...more });
  await control.record({
    records: [
      call('aaaaaaaaaaaa-1', { path: '/fine' }),
      call('aaaaaaaaaaaa-2', { path: '/broken', status: 500, outcome: 'trapped', startedMs: startedMs + 10_000 }),
    ],
    counts: [],
  });
  await control.write(
    line('called', 'one', { invocation: 'aaaaaaaaaaaa-1', timeMs: startedMs + 1 }),
    line('called', 'two', { invocation: 'aaaaaaaaaaaa-2', timeMs: startedMs + 10_001 }),
  );
  const texts = async (...words: readonly string[]) =>
    (await logs(['called', ...words])).stdout
      .split('\n')
      .filter(Boolean)
      .map((text) => text.replace(/^\S+ \S+ +v1 \S+ /, ''));
  expect(await texts()).toEqual(['one', 'GET /fine 200 in 12 ms', 'two', 'GET /broken 500 (trapped) in 12 ms']);
  expect(await texts('--no-requests')).toEqual(['one', 'two']);
  expect(await texts('--status', '5xx')).toEqual(['two', 'GET /broken 500 (trapped) in 12 ms']);
  expect(await texts('--status', '404')).toEqual([]);
  // The id as a line prints it.
  expect(await texts('--invocation', 'aaaaaa-2')).toEqual(['two']);
  const shown = await home.wasmcloud(['invocations', 'called', 'aaaaaa-2'], { variables });
  expect(shown.stdout).toContain('aaaaaaaaaaaa-2');
});

test('a status and a search are both heeded, and where nothing is found the reason is told', async () => {
  await control.handler('both', 'ada');
  const startedMs = Date.now() - 60_000;
  const invocation = 'cccccccccccc-1';
  const silent = 'cccccccccccc-2';
  const broken = { startedMs, durationMs: 12, status: 500, outcome: 'trapped' } as const;
  await control.record({ records: [record('both', invocation, broken), record('both', silent, broken)], counts: [] });
  await control.write(
    line('both', 'printed', { invocation, timeMs: startedMs + 1 }),
    line('both', 'panic', { invocation, timeMs: startedMs + 2, level: 1, stream: 'stderr' }),
  );
  const texts = async (...words: readonly string[]) => {
    const answer = await logs(['both', '--json', '--status', '5xx', ...words]);
    expect(answer).toMatchObject({ status: 0, stderr: '' });
    return answer.stdout
      .split('\n')
      .filter(Boolean)
      .map((text) => JSON.parse(text).text);
  };
  expect(await texts()).toEqual(['printed', 'panic']);
  expect(await texts('--stderr')).toEqual(['panic']);
  expect(await texts('--grep', 'PRINT')).toEqual(['printed']);
  expect(await texts('--level', 'error')).toEqual(['panic']);
  expect((await logs(['both', '--status', '5xx', '--stderr'])).stdout).toMatch(/^\S+ ERROR .*panic\n$/);
  expect((await logs(['both', '--invocation', silent])).stderr).toContain(`wasmcloud invocations both ${silent}\n`);
  expect((await logs(['both', '--grep', 'nothing'])).stderr).toBe('no log lines match\n');
});

test('--follow shows a call of a silent function', async () => {
  await control.handler('silent', 'ada');
  const words = [join(root, 'dist/wasmcloud.js'), 'logs', 'silent', '-f'];
  const child = spawn(process.execPath, words, { env: { ...home.variables, ...variables } });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await control.record({ records: [record('silent', 'bbbbbbbbbbbb-1', { path: '/quietly' })], counts: [] });
  expect((await lines.next()).value).toMatch(/ CALL {2}v1 bbbbbb-1 GET \/quietly 200 in 1.2 ms$/);
  child.kill('SIGINT');
  expect(await exited).toEqual([0, null]);
});

test('--follow goes on with new lines, over a restart of the server, until Ctrl-C, which is success', async () => {
  const child = spawn(
    process.execPath,
    [join(root, 'dist/wasmcloud.js'), 'logs', 'swift-otter', '-f', '-n', '1', '--json'],
    {
      env: { ...home.variables, ...variables },
    },
  );
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? '{}').text;
  const notes = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  expect(await next()).toBe('boom');
  await control.write(line('swift-otter', 'live'));
  expect(await next()).toBe('live');
  await control.pause();
  expect((await notes.next()).value).toMatch(/^-- .*; trying again in [\d.]+ s --$/);
  await control.write(line('swift-otter', 'meanwhile'));
  await control.resume();
  expect(await next()).toBe('meanwhile');
  child.kill('SIGINT');
  expect(await exited).toEqual([0, null]);
});

test('a reader that has seen enough ends the command quietly', async () => {
  await control.write(...Array.from({ length: 1000 }, (_, i) => line('chatty', `${i} ${'x'.repeat(500)}`)));
  const command = `"${process.execPath}" dist/wasmcloud.js logs chatty -n 1000 | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const answer = await run(['bash', '-c', command], { variables: { ...home.variables, ...variables } });
  expect(answer.stdout).toMatch(/0 x+\n0\n$/);
  expect(answer.stderr).toBe('');
});

test('where nothing is in the time that was asked for, the time of the nearest line is told', async () => {
  await control.handler('past', 'ada');
  await control.write(line('past', 'a line', { timeMs: Date.parse('2019-06-01T08:15:00Z') }));
  expect((await logs(['past', '--until', '2019-01-01'])).stderr).toBe(
    'no log lines: the oldest that is kept is of 2019-06-01T08:15:00.000Z\nhint: how long lines are kept: wasmcloud log-retention past\n',
  );
  expect((await logs(['past', '--since', '1h'])).stderr).toBe(
    'no log lines: the newest is of 2019-06-01T08:15:00.000Z\nhint: an earlier time finds it: --since 2019-06-01T08:15:00.000Z\n',
  );
  expect((await logs(['past', '--since', '2019-06-01T08:15:00Z'])).stdout).toContain('a line');
  expect((await logs(['past', '--since', '2020-01-01', '--until', '2019-01-01'])).stderr).toContain(
    '--until is not after --since',
  );
  expect((await logs(['past', '--since', '2019-01-01', '--grep', 'nothing'])).stderr).toBe('no log lines match\n');
});

test.each([
  ['--status', '5xx'],
  ['--export', 'out.ndjson'],
  ['--invocation', 'a693a7ef22c5-2'],
])('%s is for one handler', async (...option) => {
  const { status, stderr } = await logs(['swift-otter', 'quiet', ...option]);
  expect(status).not.toBe(0);
  expect(stderr).toContain('--status, --export and --invocation are for one handler');
});
