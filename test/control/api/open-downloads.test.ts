/** What ends while a download is open: who had the right to it gets no more once the right has gone. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { api, logLine, type Platform, signUp, startPlatform } from '../../support/api.ts';
import { beforeAttempts } from '../../support/attempts.ts';

/** Together more than the buffers of a connection and of both its ends hold. */
const lines = { count: 2_400, chars: 16_000 };

let platform: Platform;
/** An administrator, who owns the handler. */
let ada: string;
let members = 0;

beforeAttempts(
  async () => {
    platform = await startPlatform();
    ada = await signUp(platform, 'ada');
    await api(platform, ada, 'POST', '/handlers', { name: 'otter' });
    const text = 'x'.repeat(lines.chars);
    for (let n = 0; n < lines.count; n += 100)
      await platform.append(Array.from({ length: 100 }, () => logLine('otter', text)));
  },
  () => platform.close(),
);
afterAll(() => platform.close());

/** Makes somebody of the handler's team, with a Token that can be revoked. */
async function member() {
  members += 1;
  const name = `member-${members}`;
  const own = await signUp(platform, name);
  expect((await api(platform, ada, 'PUT', `/handlers/otter/collaborators/${name}`, { role: 'viewer' })).status).toBe(
    200,
  );
  const { token, view } = (await api(platform, own, 'POST', '/tokens', { label: 'x' })).body;
  return { name, own, token: String(token), tokenId: String(view.id) };
}

type Member = Awaited<ReturnType<typeof member>>;

/** Begins a download of which nothing is read yet. */
async function open(token: string, path: string): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${token}` };
  const [response] = await once(request(`${platform.url}/api/v1${path}`, { headers }).end(), 'response');
  expect(response.statusCode).toBe(200);
  return response;
}

/** Reads the rest of a download. Returns whether it was whole. */
async function isWhole(response: IncomingMessage): Promise<boolean> {
  await new Promise((resolve) =>
    response
      .on('error', () => {})
      .on('close', resolve)
      .resume(),
  );
  return response.complete;
}

const change = async (method: string, path: string, body?: object, token = ada): Promise<void> => {
  const { status, body: answer } = await api(platform, token, method, path, body);
  if (status >= 300) throw new Error(JSON.stringify(answer));
};

/** What happens while the download is open, and what takes it back. */
const ends: readonly (readonly [string, boolean, (who: Member) => Promise<void>, () => Promise<void>])[] = [
  ['nothing', true, async () => {}, async () => {}],
  ['its Token is revoked', false, ({ own, tokenId }) => change('DELETE', `/tokens/${tokenId}`, undefined, own), none],
  ['the role is taken away', false, ({ name }) => change('DELETE', `/handlers/otter/collaborators/${name}`), none],
  ['who reads is suspended', false, ({ name }) => change('PATCH', `/users/${name}`, { suspended: true }), none],
  ['who reads is deleted', false, ({ name }) => change('DELETE', `/users/${name}`), none],
  [
    'the handler is deleted',
    false,
    () => change('DELETE', '/handlers/otter'),
    () => change('POST', '/handlers/otter/restore'),
  ],
  [
    'the handler gets another name',
    true,
    () => change('PATCH', '/handlers/otter', { name: 'badger' }),
    () => change('PATCH', '/handlers/badger', { name: 'otter' }),
  ],
  [
    'the handler gets another name, and another one that the reader may read gets its name',
    false,
    async ({ name }) => {
      await change('PATCH', '/handlers/otter', { name: 'badger' });
      await change('POST', '/handlers', { name: 'otter' });
      await change('PUT', `/handlers/otter/collaborators/${name}`, { role: 'viewer' });
    },
    async () => {
      await change('DELETE', '/handlers/otter?purge=true');
      await change('PATCH', '/handlers/badger', { name: 'otter' });
    },
  ],
];

async function none(): Promise<void> {}

test.each(ends)('a download of log lines while %s: whole is %s', async (_what, whole, end, undo) => {
  const who = await member();
  const download = await open(who.token, '/handlers/otter/logs/export');
  await end(who);
  try {
    expect(await isWhole(download)).toBe(whole);
  } finally {
    await undo();
  }
});

test('a download of messages while its Token is revoked', async () => {
  const who = await member();
  const text = 'x'.repeat(60_000);
  const batch = `${JSON.stringify({ text })}\n`.repeat(100);
  for (let n = 0; n < 6; n += 1) {
    const headers = { authorization: `Bearer ${who.own}`, 'content-type': 'application/x-ndjson' };
    const url = `${platform.url}/api/v1/queues/bulk/messages`;
    expect((await fetch(url, { method: 'POST', headers, body: batch })).status).toBe(201);
  }
  const [revoked, other] = await Promise.all([who.token, who.own].map((token) => open(token, '/queues/bulk/export')));
  await change('DELETE', `/tokens/${who.tokenId}`, undefined, who.own);
  expect(await Promise.all([isWhole(revoked!), isWhole(other!)])).toEqual([false, true]);
});
