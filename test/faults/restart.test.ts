/**
 * Restarts of control under load. RESTART_CALLS and RESTARTS raise the numbers: 10000 and 5 take some minutes.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createUser,
  LogTail,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
} from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';

/** Calls that are answered at least, over all restarts. */
const callsMin = Number(process.env.RESTART_CALLS ?? 1_000);
const restarts = Number(process.env.RESTARTS ?? 2);
const clients = 8;

afterAll(removeTemporaryFolders);

/** Calls again and again over kept-alive connections, as clients do: how often which answer came. */
function load(platform: TestPlatform, name: string) {
  const url = new URL(platform.runUrl);
  const answers = new Map<string, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  let count = 0;
  let going = true;
  const watchers = new Set<() => void>();
  const once = () =>
    new Promise<string>((resolve) => {
      const call = request(
        { host: '127.0.0.1', port: url.port, agent, headers: { host: `${name}.localhost` } },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('end', () => resolve(response.statusCode === 200 ? text : String(response.statusCode)));
          response.on('error', (error) => resolve(error.message));
        },
      );
      call.on('error', (error) => resolve(error.message));
      call.end();
    });
  const done = Promise.all(
    Array.from({ length: clients }, async () => {
      while (going) {
        const answer = await once();
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        count += 1;
        for (const wake of watchers) wake();
      }
    }),
  );
  return {
    /** Resolves when `calls` have been answered in all. */
    until: async (calls: number) => {
      while (count < calls) {
        await new Promise<void>((resolve) => watchers.add(resolve));
        watchers.clear();
      }
    },
    stop: async () => {
      going = false;
      await done;
      agent.destroy();
      return Object.fromEntries(answers);
    },
  };
}

describe.each(['SIGTERM', 'SIGKILL'] as const)('restarts by %s under load', (signal) => {
  it('fail no call', async () => {
    // A busy machine may take longer to start the next control than the 30 s that runners wait for one.
    let platform = await startPlatform({ TRISIEL_GRACE_S: '600' });
    const user = await createUser(platform);
    const repo = await makeRepo({ 'a.wasm': printing('served\n') });
    expect((await push(platform, user, repo, 'served')).status).toBe(0);
    const calls = load(platform, 'served');
    for (let i = 1; i <= restarts; i++) {
      await calls.until((callsMin / (restarts + 1)) * i);
      const closed = once(platform.child, 'close');
      platform.child.kill(signal);
      await closed;
      platform = await startPlatform({
        ...platform.env,
        TRISIEL_PORT: new URL(platform.controlUrl).port,
        TRISIEL_RUN_PORT: new URL(platform.runUrl).port,
      });
    }
    await calls.until(callsMin);
    const answers = await calls.stop();
    expect(answers).toEqual({ 'served\n': expect.any(Number) });
    expect(answers['served\n']).toBeGreaterThanOrEqual(callsMin);
    const tail = await LogTail.open(platform, user, 'served', 0);
    await tail.line((line) => line.text.includes('deployed v1'));
    tail.close();
    expect(await platform.stop()).toBe(0);
  });
});
