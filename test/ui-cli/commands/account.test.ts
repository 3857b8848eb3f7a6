import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, launcher, password, run, startControl } from '../../support/ui-cli.ts';

let control: Control;
beforeAttempts(
  async () => {
    control = await startControl();
  },
  () => control.close(),
);
afterAll(() => control.close());

test('sign up, who am I, log out, log in: the whole life of a login', async () => {
  const home = await Home.make(control);
  const signUp = await home.wasmcloud(['signup', 'ada', '--password-stdin'], { stdin: `${password}\n` });
  expect(signUp).toMatchObject({ status: 0, stdout: `logged in as ada at ${control.url}\n` });
  expect((await stat(join(home.folder, 'config/wasmcloud/config.json'))).mode & 0o777).toBe(0o600);
  expect(await home.wasmcloud(['whoami'])).toMatchObject({ status: 0, stdout: 'ada\n' });
  expect(JSON.parse((await home.wasmcloud(['whoami', '--json'])).stdout)).toEqual({
    ...{ user: 'ada', server: control.url, admin: true, scope: 'full', handler: null },
  });

  const token = JSON.parse(await readFile(join(home.folder, 'config/wasmcloud/config.json'), 'utf8')).accounts[
    control.url
  ].token;
  expect(await home.wasmcloud(['logout'])).toMatchObject({ status: 0, stdout: `logged out of ${control.url}\n` });
  expect(await home.wasmcloud(['whoami'])).toMatchObject({ status: 4, stdout: '' });
  // Revoked at the server too, not only forgotten here.
  expect(await home.wasmcloud(['whoami'], { variables: { WASMCLOUD_TOKEN: token } })).toMatchObject({ status: 4 });

  const logIn = await home.wasmcloud(['--json', 'login', 'ada', '--password-stdin'], { stdin: password });
  expect(JSON.parse(logIn.stdout)).toEqual({ user: 'ada', server: control.url });
});

test('after a login git gets the token from us, and after logging out it does not ask at a prompt', async () => {
  const home = await Home.make(control);
  await home.wasmcloud(['signup', 'bob', '--password-stdin'], { stdin: password });
  const { host } = new URL(control.url);
  const filled = await home.git(['credential', 'fill'], { stdin: `protocol=http\nhost=${host}\n\n` });
  expect(filled.stdout).toMatch(/^username=wasmcloud$/m);
  expect(filled.stdout).toMatch(/^password=\S{20,}$/m);
  await home.wasmcloud(['logout']);
  const { stdout } = await home.git(['config', '--global', '--get-regexp', 'credential']);
  expect(stdout).toBe('');
});

test('git asks for WASMCLOUD_TOKEN before the config', async () => {
  const home = await Home.make(control);
  const asked = {
    stdin: `protocol=http\nhost=${new URL(control.url).host}\n`,
    variables: { WASMCLOUD_TOKEN: 'from-ci' },
  };
  expect((await home.wasmcloud(['git-credential', 'get'], asked)).stdout).toBe(
    'username=wasmcloud\npassword=from-ci\n',
  );
});

test('not logged in, the credential helper says so and stops git', async () => {
  const home = await Home.make(control);
  const answer = await home.wasmcloud(['git-credential', 'get'], {
    stdin: `protocol=http\nhost=${new URL(control.url).host}\n`,
  });
  expect(answer).toMatchObject({ status: 0, stdout: 'quit=1\n' });
  expect(answer.stderr).toContain('wasmcloud login');
});

test('a wrong password says so and does not advise to log in first', async () => {
  const home = await Home.make(control);
  const answer = await home.wasmcloud(['login', 'ada', '--password-stdin'], { stdin: 'not my password' });
  expect(answer.status).toBe(4);
  expect(answer.stderr).toMatch(/^error: .*password/);
  expect(answer.stderr).not.toContain('log in first');
  expect(answer.stderr).toMatch(/^request: /m);
});

test.each([
  [['login'], 'no user name given'],
  [['login', 'ada'], 'no password given'],
  [['signup', 'ada'], 'no password given'],
])('without a terminal %j asks nothing and names what is missing', async (words, missing) => {
  const home = await Home.make(control);
  const answer = await home.wasmcloud(words);
  expect(answer.status).toBe(1);
  expect(answer.stderr).toContain(missing);
  expect(answer.stderr).toContain('--password-stdin');
});

test('a server that needs an invitation gets it from --invite', async () => {
  const closed = await startControl({ registration: 'invite' });
  try {
    const home = await Home.make(closed);
    const code = await closed.accounts.firstAccountCode();
    const without = await home.wasmcloud(['signup', 'ada', '--password-stdin'], { stdin: password });
    expect(without).toMatchObject({ status: 1 });
    const signUp = await home.wasmcloud(['signup', 'ada', '--password-stdin', '--invite', code ?? ''], {
      stdin: password,
    });
    expect(signUp).toMatchObject({ status: 0 });
  } finally {
    await closed.close();
  }
});

test('a server in place of a name: how servers are named, before a password is read', async () => {
  const home = await Home.make(control);
  for (const command of ['login', 'signup'])
    expect(await home.wasmcloud([command, control.url, '--password-stdin'], { stdin: password })).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/is no user name\n[\s\S]*WASMCLOUD_SERVER=http:/),
    });
});

test('a server that is not there: which one, and what to do', async () => {
  const home = await Home.make(control);
  const gone = await startControl();
  await gone.close();
  const variables = { WASMCLOUD_SERVER: gone.url, WASMCLOUD_TOKEN: 't' };
  const answer = await home.wasmcloud(['list'], { variables });
  expect(answer.status).toBe(1);
  expect(answer.stderr).toBe(
    `error: nothing answers at ${gone.url} (connection refused)\n` +
      'hint: start the platform with npm start, or point WASMCLOUD_SERVER at another one\n',
  );
  const json = await home.wasmcloud(['list', '--json'], { variables });
  expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'unavailable' } });
});

test('the launcher finds the pinned Node whatever Node runs it', async () => {
  const home = await Home.make(control);
  const old = await run(['sh', '-c', 'command -v -p node || true'], { variables: home.variables });
  const node = old.stdout.trim() || process.execPath;
  const answer = await run([node, launcher, '--version'], { variables: home.variables });
  expect(answer).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test('a token for a job is shown once, works, and is revoked by its id', async () => {
  const home = await Home.make(control);
  await home.wasmcloud(['signup', 'carol', '--password-stdin'], { stdin: password });
  const created = await home.wasmcloud(['tokens', 'create', 'ci job']);
  const token = created.stdout.trim();
  const job = await Home.make(control);
  const asJob = (words: readonly string[]) => job.wasmcloud(words, { variables: { WASMCLOUD_TOKEN: token } });
  expect(await asJob(['whoami'])).toMatchObject({ status: 0, stdout: 'carol\n' });
  const listed = JSON.parse((await home.wasmcloud(['tokens', '--json'])).stdout);
  const { id } = listed.find((view: { label: string }) => view.label === 'ci job');
  expect(JSON.stringify(listed)).not.toContain(token);
  expect(await home.wasmcloud(['tokens', 'revoke', id])).toMatchObject({ status: 0 });
  expect(await asJob(['whoami'])).toMatchObject({ status: 4 });
});

test('an invite lets one person in', async () => {
  const closed = await startControl({ registration: 'invite' });
  try {
    const first = await Home.make(closed);
    const code = (await closed.accounts.firstAccountCode()) ?? '';
    await first.wasmcloud(['signup', 'ada', '--password-stdin', '--invite', code], { stdin: password });
    const invite = (await first.wasmcloud(['invites', 'create'])).stdout.trim();
    const second = await Home.make(closed);
    const signUp = ['signup', 'bob', '--password-stdin', '--invite', invite];
    expect(await second.wasmcloud(signUp, { stdin: password })).toMatchObject({ status: 0 });
    expect((await first.wasmcloud(['invites'])).stdout).toMatch(/ bob$/m);
    signUp[1] = 'eve';
    expect(await second.wasmcloud(signUp, { stdin: password })).toMatchObject({ status: 1 });
  } finally {
    await closed.close();
  }
});
