import { afterAll, expect, test } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
    variables = { WASMCLOUD_TOKEN: await control.user('ada') };
    await control.handler('otter', 'ada');
  },
  () => control.close(),
);
afterAll(() => control.close());

const wasmcloud = (...words: readonly string[]) => home.wasmcloud(words, { variables });

test('a domain is added, checked, listed and removed', async () => {
  expect(await wasmcloud('domains', 'otter')).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('wasmcloud domains otter add api.example.com'),
  });
  const added = await wasmcloud('domains', 'otter', 'add', 'api.example.com');
  expect(added.stdout).toMatch(
    /^api\.example\.com waits for its record: .*\none of .*:\n {2}_trisiel\.api\.example\.com {2}TXT {4}"trisiel=[0-9a-f]{32}"\n {2}api\.example\.com {2}CNAME {2}[0-9a-f]{32}\.domains\.localhost\nthen: wasmcloud domains otter check api\.example\.com\n$/,
  );
  const [listed] = JSON.parse((await wasmcloud('domains', 'otter', 'list', '--json')).stdout);
  expect(listed).toMatchObject({ domain: 'api.example.com', state: 'pending' });
  control.dns.prove(listed);
  expect((await wasmcloud('domains', 'otter', 'check', 'api.example.com')).stdout).toBe(
    'otter is served under api.example.com\n',
  );
  expect((await wasmcloud('domains', 'otter')).stdout).toMatch(/^api\.example\.com +served +\S/m);
  expect((await wasmcloud('domains', 'otter', 'remove', 'api.example.com')).stdout).toBe(
    'otter is not served under api.example.com any more\n',
  );
  expect(JSON.parse((await wasmcloud('domains', 'otter', '--json')).stdout)).toEqual([]);
});

test('an international name is shown as DNS has it, so that a look-alike is seen', async () => {
  const { stdout, stderr } = await wasmcloud('domains', 'otter', 'add', 'аpple.com');
  expect(stdout).toContain('xn--pple-43d.com waits for its record');
  expect(stderr).toContain('note: xn--pple-43d.com is what DNS calls the domain that you typed');
});

test('a mistake is explained', async () => {
  expect(await wasmcloud('domains', 'otter', 'add')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('name the domain'),
  });
  expect(await wasmcloud('domains', 'otter', 'frob', 'x.example')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('none of list, add, check, remove'),
  });
  expect(await wasmcloud('domains', 'otter', 'add', 'https://x.example/')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('cannot be a custom domain'),
  });
});
