/**
 * Settings that are changed without a push, while calls run: the answer to the change comes when they hold, and no call
 * is lost.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  api,
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';

let platform: TestPlatform;
let ada: TestUser;
beforeAll(async () => {
  platform = await startPlatform({ TRISIEL_RUNNERS: '2' });
  ada = await createUser(platform, 'ada');
});
afterAll(async () => {
  await platform.stop();
  await removeTemporaryFolders();
});

/**
 * Pushes a guest, and calls it without a pause until the function that is returned is awaited: it returns the answers.
 */
async function underLoad(handler: string, name: string): Promise<() => Promise<ReadonlyMap<string, number>>> {
  const guest = await readFile(new URL(`../../fixtures/guests/cwa/${name}.wasm`, import.meta.url));
  const pushed = await push(platform, ada, await makeRepo({ 'a.wasm': guest }), handler);
  expect(pushed.status, pushed.stderr).toBe(0);
  const answers = new Map<string, number>();
  let isOver = false;
  const load = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      const answer = await call(platform, handler).catch((error: unknown) => ({ status: 0, body: String(error) }));
      const said = answer.status === 200 ? '200' : `${answer.status} ${codeOf(answer.body)}`;
      answers.set(said, (answers.get(said) ?? 0) + 1);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(load);
    return answers;
  };
}

/** The code of a problem; the text where it is none. */
function codeOf(body: string): string {
  try {
    return (JSON.parse(body) as { code: string }).code;
  } catch {
    return body;
  }
}

async function change(handler: string, body: object): Promise<void> {
  const answer = await api(platform, ada, 'PATCH', `/handlers/${handler}`, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
}

it('limits hold for the first call after the change, and callers that they do not concern notice nothing', async () => {
  const end = await underLoad('limited', 'hello');
  const posted = async () => (await call(platform, 'limited', { method: 'POST', body: 'ten bytes!' })).status;
  for (let round = 0; round < 4; round += 1) {
    await change('limited', { limits: { bodyBytes: 5 } });
    expect([await posted(), await posted()]).toEqual([413, 413]);
    await change('limited', { limits: { bodyBytes: null } });
    expect([await posted(), await posted()]).toEqual([200, 200]);
  }
  expect([...(await end()).keys()]).toEqual(['200']);
}, 300_000);

it('patterns of the policy hold for the first call after the change, and every call is answered by the one or the other', async () => {
  const end = await underLoad('denied', 'counter');
  const called = async () => (await call(platform, 'denied')).status;
  for (let round = 0; round < 4; round += 1) {
    await change('denied', { policy: { allow: [], disallow: ['^kv:'] } });
    expect([await called(), await called()]).toEqual([500, 500]);
    await change('denied', { policy: { allow: [], disallow: [] } });
    expect([await called(), await called()]).toEqual([200, 200]);
  }
  expect([...(await end()).keys()].sort()).toEqual(['200', '500 policy_violation']);
}, 300_000);
