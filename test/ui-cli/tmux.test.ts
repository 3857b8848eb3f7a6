/** The terminal interface in a real terminal. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Pane } from '../support/pane.ts';
import { type Control, Home, launcher, line, root, run, startControl } from '../support/ui-cli.ts';

const missing = (() => {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
})();
if (missing) process.stdout.write('skipped: the terminal interface in a real terminal (tmux is not installed)\n');

describe.skipIf(missing)('in a real terminal', () => {
  let control: Control;
  let home: Home;
  let variables: Record<string, string>;
  let pane: Pane;
  const wasmcloud = `"${process.execPath}" "${root}/dist/wasmcloud.js"`;
  const start = `clear; echo was here before; ${wasmcloud}`;

  beforeAll(async () => {
    control = await startControl();
    home = await Home.make(control);
    variables = { ...home.variables, WASMCLOUD_TOKEN: await control.user('ada'), WASMCLOUD_LAUNCHER: launcher };
    await run([process.execPath, launcher, '--version'], { variables });
    await control.handler('alpha', 'ada');
    await control.deploy({ handler: 'alpha', user: 'ada', number: 1, state: 'live' });
    await control.write(...Array.from({ length: 60 }, (_, i) => line('alpha', `line ${i}`)));
    await control.write(line('alpha', 'evil \u001b[2J\u001b[H\u0007\u009b31m end'));
  });
  afterEach(() => pane.close());
  afterAll(() => control.close());

  /** Back in the shell: the screen from before, a visible cursor, echo. */
  async function isRestored(): Promise<void> {
    // The prompt: until then keys go to the program that is ending.
    const screen = await pane.shows(/was here before[\s\S]*^\$/m);
    expect(screen).not.toContain('alpha ›');
    expect(await pane.tmux('display-message', '-p', '-t', 'test', '#{alternate_on} #{cursor_flag}')).toBe('0 1\n');
    await pane.keys('echo typed-$((20+22))', 'Enter');
    await pane.shows('$ echo typed-$((20+22))\ntyped-42');
  }

  test('the log tail: control characters visible, pause, resize, resume, and q gives the terminal back', async () => {
    pane = await Pane.open(control.folder, variables);
    await pane.keys(`${start} ui alpha logs`, 'Enter');
    const first = await pane.shows('evil');
    expect(first).toContain('evil ^[[2J^[[H^G<U+009B>31m end');
    expect(first).toContain('line 59');
    expect(first.split('\n')[0]).toMatch(/ada › alpha › logs .*live v1 {2}● online$/);

    await pane.keys('k', 'k');
    await pane.shows('PAUSED, 0 new');
    await control.write(line('alpha', 'came while paused'));
    const paused = await pane.shows('PAUSED, 1 new');
    expect(paused).not.toContain('came while paused');
    const selected = /^›.*$/m.exec(paused)?.[0];

    await pane.tmux('resize-window', '-t', 'test', '-x', '100', '-y', '30');
    const larger = await pane.shows(/^.{85,}● online/);
    expect(/^›.*$/m.exec(larger)?.[0]).toBe(selected);
    await pane.tmux('resize-window', '-t', 'test', '-x', '50', '-y', '10');
    await pane.shows('too small: need 60x14, have 50x10');
    await pane.tmux('resize-window', '-t', 'test', '-x', '80', '-y', '24');
    await pane.shows('PAUSED, 1 new');

    await pane.keys('G');
    const resumed = await pane.shows('following');
    expect(resumed).toContain('came while paused');
    await pane.keys('Escape');
    await pane.shows(/› alpha +live/);
    await pane.keys('q');
    await isRestored();
  });

  test('a queue: control characters of a message visible in its row and in full, typed names purge it', async () => {
    const adaId = (await control.accounts.actorOfToken(variables.WASMCLOUD_TOKEN ?? ''))!.user.id;
    await control.publish(adaId, 'mail', ['evil \u001b[2J\u001b[H\u0007\u009b31m end\nand more', 'fine']);
    pane = await Pane.open(control.folder, variables);
    await pane.keys(start, 'Enter');
    await pane.shows('› alpha');
    await pane.keys('Q');
    await pane.shows(/› mail +no consumer +2/);
    await pane.keys('Enter');
    await pane.shows('evil ^[[2J^[[H^G<U+009B>31m end^Jand more');
    await pane.keys('Enter');
    await pane.shows(/^ evil \^\[\[2J\^\[\[H\^G<U\+009B>31m end\n and more/m);
    await pane.keys('h');
    await pane.shows('65 76 69 6c 20 1b 5b 32');
    await pane.keys('Escape');
    await pane.shows('[all 2]');
    await pane.keys('P');
    await pane.shows('Purge 2 messages of mail');
    await pane.keys('mail', 'Enter');
    await pane.shows('removed 2 messages');
    await pane.keys('C-c');
    await isRestored();
  });

  test('typed quickly: sign up, create, and what the first screen then says', async () => {
    const folder = join(control.folder, 'fresh');
    await mkdir(folder);
    const { WASMCLOUD_TOKEN: _none, ...nobody } = variables;
    pane = await Pane.open(control.folder, { ...nobody, XDG_CONFIG_HOME: folder });
    await pane.keys(`cd "${folder}" && git init -q -b main . && ${start}`, 'Enter');
    await pane.shows('Log in');
    await pane.keys('C-n');
    await pane.shows('Create an account');
    await pane.keys('grace', 'Tab', 'correct horse', 'Tab', 'correct horse', 'Tab', 'Enter');
    await pane.shows('No handlers yet');
    await pane.keys('c');
    await pane.shows('A new handler');
    await pane.keys('C-u', 'made-in-tmux', 'Enter');
    await pane.shows('added the git remote wasmcloud');
    expect(execFileSync('git', ['-C', folder, 'remote', 'get-url', 'wasmcloud'], { encoding: 'utf8' })).toBe(
      `${control.url}/made-in-tmux.git\n`,
    );
    await pane.keys('Escape');
    await pane.shows(/› made-in-tmux +empty/);
    await pane.keys('C-c');
    await isRestored();
  });

  test('a password typed at the prompt is not shown, and Ctrl-C at it is exit status 2', async () => {
    const { WASMCLOUD_TOKEN: _none, ...nobody } = variables;
    pane = await Pane.open(control.folder, nobody);
    await pane.keys(`${start} login ada; echo "status $?"`, 'Enter');
    await pane.shows('Password:');
    await pane.keys('hunter2');
    await pane.keys('C-c');
    const screen = await pane.shows('status 2');
    expect(screen).not.toContain('hunter2');
    expect(screen).toContain('cancelled');
  });

  test('Ctrl-Z gives the shell back, fg draws the screen again', async () => {
    pane = await Pane.open(control.folder, variables);
    await pane.keys(start, 'Enter');
    await pane.shows('› alpha');
    await pane.keys('C-z');
    await pane.shows(/Stopped/);
    await pane.keys('echo typed-$((20+22))', 'Enter');
    await pane.shows('typed-42');
    await pane.keys('fg', 'Enter');
    await pane.shows('› alpha');
    await pane.keys('q');
    await isRestored();
  });

  test('a secret pasted at the prompt keeps its line breaks, and none of it shows', async () => {
    await control.handler('secret-otter', 'ada');
    const secret = '-----BEGIN X-----\nQUJD\n-----END X-----\n';
    const file = join(control.folder, 'pasted');
    await writeFile(file, secret);
    pane = await Pane.open(control.folder, variables);
    await pane.keys(`${start} env secret-otter set PEM`, 'Enter');
    await pane.shows('PEM:');
    await pane.tmux('load-buffer', file);
    await pane.tmux('paste-buffer', '-p', '-t', 'test');
    await pane.keys('Enter');
    const screen = await pane.shows('set PEM for secret-otter');
    expect(screen).not.toContain('BEGIN');
    const { id } = await control.db
      .selectFrom('handlers')
      .select('id')
      .where('name', '=', 'secret-otter')
      .executeTakeFirstOrThrow();
    expect(await control.env.envOf(id)).toEqual({ PEM: secret });
  });

  test('a rollback at a terminal shows what it would do and takes no for an answer', async () => {
    await control.deploy({ handler: 'alpha', user: 'ada', number: 2, state: 'retired' });
    pane = await Pane.open(control.folder, variables);
    await pane.keys(`${start} rollback alpha v2; echo "status $?"`, 'Enter');
    await pane.shows('alpha: v1 -> v2');
    await pane.keys('n', 'Enter');
    expect(await pane.shows('status 2')).toContain('nothing changed');
  });

  test('a crash gives the terminal back and then tells what happened', async () => {
    const preload = join(control.folder, 'crash.mjs');
    await writeFile(
      preload,
      `import { writeFileSync } from 'node:fs';
      writeFileSync(${JSON.stringify(join(control.folder, 'pid'))}, String(process.pid));
      process.on('SIGUSR2', () => { throw new Error('our own mistake'); });`,
    );
    pane = await Pane.open(control.folder, variables);
    await pane.keys(`NODE_OPTIONS="--import=${preload}" bash -c '${start} ui alpha logs'`, 'Enter');
    await pane.shows('following');
    process.kill(Number(await readFile(join(control.folder, 'pid'), 'utf8')), 'SIGUSR2');
    const screen = await pane.shows('our own mistake');
    expect(screen).toContain('error: wasmcloud failed unexpectedly');
    await isRestored();
  });

  test('with NO_COLOR there is no colour, and the selection still shows', async () => {
    pane = await Pane.open(control.folder, { ...variables, NO_COLOR: '1' });
    await pane.keys(start, 'Enter');
    await pane.shows('› alpha');
    const styled = await pane.tmux('capture-pane', '-e', '-p', '-t', 'test');
    expect(styled).not.toMatch(/\u001b\[(3|4|9|10)[0-9;]*m/);
    await pane.keys('q');
    await isRestored();
  });

  test('TERM=dumb and CI get plain text, at a terminal too', async () => {
    pane = await Pane.open(control.folder, variables);
    await pane.keys(`TERM=dumb ${wasmcloud}; CI=1 ${wasmcloud} login; echo "status $?"`, 'Enter');
    const screen = await pane.shows('status 1');
    expect(screen).toMatch(/^NAME +STATE/m);
    expect(screen).toContain('no user name given');
  });
});
