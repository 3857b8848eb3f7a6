import { afterAll, expect, test } from 'vitest';
import { replaceSchedules } from '../../../src/control/calls/schedules.ts';
import type { ScheduleSettings } from '../../../src/protocol/nouns.ts';
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

test('asynchronous calls are listed, all or in one state', async () => {
  await control.handler('caller', 'ada');
  expect(await wasmcloud('calls', 'caller')).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('respond-async'),
  });
  const { id } = (await control.handlers.find('caller'))!;
  const request = { method: 'GET', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };
  const callId = 'abcdefghijklmnopqrstuvwxyz012345';
  const body = new Uint8Array();
  await control.calls.accept({ id: callId, handlerId: id, request, body, attemptsMax: 1 });
  expect((await wasmcloud('calls', 'caller')).stdout).toMatch(/^abcdefghijkl +\S.* waits +0 +- +-/m);
  expect((await wasmcloud('calls', 'caller')).stdout).not.toContain('abcdefghijklm');
  expect((await wasmcloud('calls', 'caller', '--state', 'failed')).stdout).toBe('');
  expect(JSON.parse((await wasmcloud('calls', 'caller', '--json')).stdout)).toMatchObject([{ state: 'ready' }]);
});

test('schedules are listed, run, paused and resumed', async () => {
  expect(await wasmcloud('schedules', 'otter')).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('no schedules'),
  });
  const nightly: ScheduleSettings = {
    ...{ name: 'nightly', cron: '0 3 1 1 *', timezone: 'UTC', everyMs: null, path: '/', body: '' },
    ...{ overlap: 'skip', catchUp: 1, timeoutMs: 1_000 },
  };
  const { id } = (await control.handlers.find('otter'))!;
  await replaceSchedules(control.db, id, [nightly], Date.parse('2026-06-01T00:00:00Z'));
  expect((await wasmcloud('schedules', 'otter')).stdout).toMatch(
    /^nightly +0 3 1 1 \* \(UTC\) +2027-01-01T03:00:00\.000Z +none yet$/m,
  );
  expect((await wasmcloud('schedules', 'run', 'otter', 'nightly')).stdout).toBe('nightly of otter will be run now\n');
  expect((await wasmcloud('schedules', 'pause', 'otter', 'nightly')).stdout).toBe('nightly of otter is paused\n');
  expect((await wasmcloud('schedules', 'otter')).stdout).toMatch(/^nightly .* paused +waits$/m);
  expect((await wasmcloud('schedules', 'resume', 'otter', 'nightly')).stdout).toBe('nightly of otter runs again\n');
  const [shown] = JSON.parse((await wasmcloud('schedules', 'otter', '--json')).stdout);
  expect(shown).toMatchObject({ name: 'nightly', isPaused: false, runs: [{ state: 'ready', tickMs: null }] });
  expect(await wasmcloud('schedules', 'run', 'otter', 'none')).toMatchObject({
    status: expect.any(Number),
    stderr: expect.stringContaining('no schedule of this name'),
  });
});
