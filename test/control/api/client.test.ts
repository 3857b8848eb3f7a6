import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogLine } from '../../../src/protocol/nouns.ts';
import { Client } from '../../../ui-cli/client/client.ts';
import { logLine, type Platform, startPlatform } from '../../support/api.ts';

let platform: Platform;
let client: Client;

beforeAll(async () => {
  platform = await startPlatform({ registration: 'invite' });
  const stranger = new Client({ server: platform.url, token: null });
  const invite = await platform.accounts.firstAccountCode();
  const token = await stranger.signUp({ name: 'ada', password: 'correct horse', invite });
  client = new Client({ server: platform.url, token });
});

afterAll(() => platform.close());

test("wasmcloud's client and this API mean the same: accounts, handlers, variables", async () => {
  expect(await client.whoAmI()).toBe('ada');
  const { name } = await client.createHandler(null);
  expect(await client.createHandler('otter')).toMatchObject({ name: 'otter', owner: 'ada', state: 'empty' });
  expect((await client.handlers()).map((handler) => handler.name).sort()).toEqual([name, 'otter'].sort());
  await client.setVariable('otter', { key: 'KEY', value: 'a secret of some length' });
  expect(await client.variables('otter')).toMatchObject([{ key: 'KEY', bytes: 23, tail: 'ngth' }]);
  await client.unsetVariable('otter', 'KEY');
  expect(await client.releases.deployments('otter')).toEqual([]);
  await client.deleteHandler(name);
  await expect(client.handler(name)).rejects.toMatchObject({ code: 'not_found' });
  await client.restoreHandler(name);
  expect(await client.handler(name)).toMatchObject({ state: 'empty' });
  expect(await client.imports()).toContain('cwa.log_write');
});

test('logs: the newest page, then the tail from its last cursor', async () => {
  await platform.append([logLine('otter', 'one'), logLine('otter', 'two')]);
  const page = await client.logs('otter', { limit: 1 });
  expect(page.lines.map(({ text }) => text)).toEqual(['two']);
  const lines: LogLine[] = [];
  const seen = Promise.withResolvers<void>();
  const live = Promise.withResolvers<void>();
  const tail = await client.tail(
    { handler: 'otter', after: page.cursor, grep: 'E', level: 6 },
    {
      lines: (more) => {
        lines.push(...more);
        seen.resolve();
      },
      dropped: () => {},
      state: ({ kind }) => {
        if (kind === 'live') live.resolve();
      },
      failed: seen.reject,
    },
  );
  await live.promise;
  await platform.append([logLine('otter', 'no'), logLine('otter', 'three')]);
  await seen.promise;
  tail.close();
  expect(lines.map(({ text }) => text)).toEqual(['three']);
});

test('a log-out ends a tail for good', async () => {
  const token = await new Client({ server: platform.url, token: null }).logIn({
    name: 'ada',
    password: 'correct horse',
  });
  const leaving = new Client({ server: platform.url, token });
  const failed = Promise.withResolvers<unknown>();
  const live = Promise.withResolvers<void>();
  await leaving.tail(
    { handler: 'otter', after: 0, backoffMs: 1 },
    {
      lines: () => {},
      dropped: () => {},
      state: ({ kind }) => {
        if (kind === 'live') live.resolve();
      },
      failed: failed.resolve,
    },
  );
  await live.promise;
  await leaving.logOut();
  expect(await failed.promise).toMatchObject({ code: 'unauthorized' });
});
