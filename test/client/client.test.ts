/** The package's API client, through its public name, against real servers. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Client, createClient, logIn, TrisielError } from 'trisiel/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientFiles } from '../../client/build.ts';
import { makeRepo, push, removeTemporaryFolders, startPlatform, type TestPlatform } from '../support/e2e.ts';
import { blocksOf } from '../support/page-blocks.ts';
import { type Control, line, password, startControl } from '../support/ui-cli.ts';

const root = join(import.meta.dirname, '../..');

test('operations and types are what `node client/build.ts` writes', async () => {
  for (const [name, text] of Object.entries(clientFiles()))
    expect(await readFile(join(root, 'client', name), 'utf8'), name).toBe(text);
});

describe('against control', () => {
  let control: Control;
  let client: Client;
  beforeAll(async () => {
    control = await startControl();
    await control.user('ada');
    client = await logIn({ server: control.url, name: 'ada', password });
    await client.createHandler({ body: { name: 'swift-otter' } });
  });
  afterAll(() => control.close());

  test('logs in, and says who that is', async () => {
    const { user, scope } = await client.whoAmI();
    expect([user.name, scope]).toEqual(['ada', 'full']);
    const wrong = logIn({ server: control.url, name: 'ada', password: 'not it at all' });
    await expect(wrong).rejects.toMatchObject({ name: 'TrisielError', code: 'unauthorized', status: 401 });
  });

  test('refusals have code, status, hints and the id of the request', async () => {
    const error = await client.getHandler({ name: 'a/../b' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TrisielError);
    expect(error).toMatchObject({
      code: 'not_found',
      status: 404,
      hints: expect.any(Array),
      id: expect.stringMatching(/^q/),
    });
    // @ts-expect-error: a name is needed
    await expect(client.getHandler({})).rejects.toThrow('needs name');
    const nobody = createClient({ server: control.url });
    await expect(nobody.listHandlers()).rejects.toMatchObject({ code: 'unauthorized' });
    const away = createClient({ server: 'http://127.0.0.1:1', token: 'x' });
    await expect(away.listHandlers()).rejects.toMatchObject({ code: 'unreachable', status: undefined });
  });

  test('a redirect is not followed: it would carry the Token to another server', async () => {
    const seen: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{}');
    });
    const first = createServer((_request, response) => {
      const { port } = other.address() as AddressInfo;
      response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end();
    });
    for (const server of [other, first]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = first.address() as AddressInfo;
    const redirected = createClient({ server: `http://127.0.0.1:${port}`, token: 'tr_secret' });
    await expect(redirected.whoAmI()).rejects.toMatchObject({ code: 'unreachable' });
    expect(seen).toEqual([]);
    for (const server of [other, first]) server.close();
  });

  test('reads lists to their end, page by page', async () => {
    for (const name of ['lazy-heron', 'quick-newt', 'calm-adder']) await client.createHandler({ body: { name } });
    const sizes: number[] = [];
    const names: string[] = [];
    for await (const { handlers } of client.pages('listHandlers', { query: { limit: 2 } })) {
      sizes.push(handlers.length);
      names.push(...handlers.map(({ name }) => name));
    }
    expect(sizes).toEqual([2, 2]);
    expect(names).toEqual(['calm-adder', 'lazy-heron', 'quick-newt', 'swift-otter']);
  });

  test('a request with a key happens once; a condition is checked; an answer without a body is nothing', async () => {
    const invite = () => client.createInvite({ body: { uses: 2 } }, { idempotencyKey: 'one-invite' });
    expect(await invite()).toEqual(await invite());
    expect((await client.listInvites()).invites).toHaveLength(1);
    await expect(client.changeHandler({ name: 'quick-newt', body: {} }, { ifMatch: '"old"' })).rejects.toMatchObject({
      code: 'precondition_failed',
    });
    expect(await client.deleteHandler({ name: 'quick-newt' })).toBeUndefined();
  });

  test('bodies and answers of bytes go as they are', async () => {
    await client.publish({ queue: 'jobs', body: '{"text":"one"}\n{"text":"two"}\n' }, { type: 'application/x-ndjson' });
    await client.publish({ queue: 'jobs', body: new Uint8Array([116, 104, 114, 101, 101]) });
    const answer = await client.exportQueue({ queue: 'jobs' });
    const rows = (await answer.text()).trim().split('\n');
    expect(rows).toHaveLength(3);
  });

  test('a tail goes on through cut connections: no line is missed, none comes twice', async () => {
    const expected: string[] = [];
    const write = async (text: string) => {
      expected.push(text);
      await control.write(line('swift-otter', text));
    };
    await write('old');
    const stop = new AbortController();
    const texts: string[] = [];
    const read = (async () => {
      let round = 0;
      for await (const { lines, dropped } of client.tail('swift-otter', { signal: stop.signal })) {
        expect(dropped).toBe(0);
        texts.push(...lines.map(({ text }) => text));
        if (texts.length < expected.length) continue;
        if (round === 4) stop.abort();
        round += 1;
        if (round > 4) continue;
        await control.pause();
        await write(`while away ${round}`);
        await control.resume();
        await write(`after ${round}`);
      }
    })();
    await read;
    expect(texts).toEqual(expected);
    expect(expected).toHaveLength(9);
  });

  test('the examples of docs/client.md run', async () => {
    const blocks = blocksOf('client').map(({ text }) => text);
    expect(blocks).toHaveLength(5);
    const other = await control.user('grace');
    const stop = new AbortController();
    const printed: string[] = [];
    const given = {
      ...{ logIn, createClient, password, signal: stop.signal },
      process: { env: { WASMCLOUD_SERVER: control.url, WASMCLOUD_TOKEN: other } },
      console: {
        log: (text: string) => {
          printed.push(text);
          if (text === 'the last line') stop.abort();
        },
      },
    };
    // The second block makes a client of its own; the others go on with that of the first one.
    const [first = '', second = '', ...others] = blocks.map((code) =>
      code
        .replace(/^import .*\n/m, '')
        .replace('http://127.0.0.1:3002', control.url)
        // It is there already.
        .replace(/createHandler\(.*?\)/, "getHandler({ name: 'swift-otter' })"),
    );
    const AsyncFunction = (async () => {}).constructor as new (
      ...words: string[]
    ) => (...values: unknown[]) => Promise<void>;
    const run = (code: string) => new AsyncFunction(...Object.keys(given), code)(...Object.values(given));
    await run(second);
    await control.write(line('swift-otter', 'the last line'));
    await run(`${first}${others.join('')}`);
    expect(printed).toEqual(expect.arrayContaining([`${control.url}/swift-otter.git`, 'swift-otter', 'the last line']));
  });

  test('a tail that is refused says so', async () => {
    const frames = client.tail('no-such-handler');
    await expect(frames.next()).rejects.toMatchObject({ code: 'not_found', status: 404 });
    const bound = await client.createToken({ body: { label: 'gone', scope: 'read' } });
    const other = createClient({ server: control.url, token: bound.token });
    const tail = other.tail('swift-otter');
    expect((await tail.next()).value?.lines.length).toBeGreaterThan(0);
    await client.revokeToken({ id: bound.view.id });
    await expect(tail.next()).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('against a whole platform', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await startPlatform({ TRISIEL_RUNNERS: '1' });
  });
  afterAll(removeTemporaryFolders);

  test('from an account to the log of a pushed function', async () => {
    const open = createClient({ server: platform.controlUrl });
    const { token } = await open.signUp({ body: { name: 'grace', password: 'correct horse battery' } });
    const client = createClient({ server: platform.controlUrl, token });
    const { handler } = await client.createHandler({ body: { name: 'brave-wren' } });
    expect(handler.state).toBe('empty');
    const module = await readFile(join(root, 'fixtures/guests/cwa/hello.wasm'));
    const repo = await makeRepo({ 'hello.wasm': module });
    const pushed = await push(platform, { name: 'grace', token }, repo, 'brave-wren');
    expect(pushed.stderr).toContain('success: live');
    const { handler: live } = await client.getHandler({ name: 'brave-wren' });
    expect([live.state, live.version]).toEqual(['live', 1]);
    expect((await client.listDeployments({ name: 'brave-wren' })).deployments[0]?.state).toBe('live');
    const stop = new AbortController();
    const tail = client.tail('brave-wren', { signal: stop.signal });
    expect((await fetch(live.pathUrl)).status).toBe(200);
    const seen: string[] = [];
    for await (const { lines } of tail) {
      seen.push(...lines.map(({ text }) => text));
      if (seen.length > 0) stop.abort();
    }
    const { lines } = await client.queryLogs({ name: 'brave-wren', query: { limit: 10 } });
    expect(lines.map(({ text }) => text)).toEqual(expect.arrayContaining(seen));
    await client.deleteHandler({ name: 'brave-wren' });
    await client.logOut();
    await expect(client.whoAmI()).rejects.toMatchObject({ code: 'unauthorized' });
  });
});
