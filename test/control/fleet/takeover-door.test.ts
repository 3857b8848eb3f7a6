import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';
import { TakeoverDoor } from '../../../src/control/fleet/takeover-door.ts';
import { makeProbe, runnerProbe } from '../../../src/protocol/runner-probe.ts';
import { type TakeoverReport, takeoverPath } from '../../../src/protocol/takeover.ts';

const probeKey = 'the key';
let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function openDoor(options: { isReplaced?: boolean; isStored?: boolean } = {}) {
  const reports: TakeoverReport[] = [];
  const door = new TakeoverDoor({
    platformId: 'p',
    bootId: 'b-2',
    probeKey,
    isReplaced: () => options.isReplaced ?? false,
    onReport: async (report) => {
      reports.push(report);
      return options.isStored ?? true;
    },
  });
  server = createServer((request, response) => {
    if (door.handles(request)) void door.handle(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${takeoverPath}`;
  const post = (body: string, field = makeProbe(probeKey).field) =>
    fetch(url, { method: 'POST', body, headers: { [runnerProbe.askField]: field } });
  return { door, reports, url, post };
}

const report: TakeoverReport = { runnerId: 'r', pid: 4711, isClosed: false };

it('takes reports of those who hold the key, and proves to them that it holds it', async () => {
  const { post, reports } = await openDoor({ isReplaced: true });
  const probe = makeProbe(probeKey);
  const answer = await post(JSON.stringify(report), probe.field);
  expect(await answer.json()).toEqual({ platformId: 'p', bootId: 'b-2', isLost: false, isReplaced: true });
  expect(probe.isAnsweredBy(answer.headers.get(runnerProbe.proofField))).toBe(true);
  expect(reports).toEqual([report]);
});

it('tells nothing to others, and takes nothing from them', async () => {
  const { post, url, reports } = await openDoor();
  const strangers = [makeProbe('another key').field, '', 'x', `.${'0'.repeat(64)}`];
  for (const field of strangers) {
    const answer = await post(JSON.stringify(report), field);
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 401, text: '' });
    expect(answer.headers.get(runnerProbe.proofField)).toBeNull();
  }
  expect((await fetch(url, { method: 'POST', body: JSON.stringify(report) })).status).toBe(401);
  expect(reports).toEqual([]);
});

it.each([
  ['no JSON', '{', 400],
  ['no report', '{"runnerId":"r"}', 400],
  ['a number for a line', JSON.stringify({ ...report, logs: { batch: 1, lines: [1], dropped: {} } }), 400],
  ['more than a report holds', ' '.repeat(fleetLimits.reportBytes + 1), 413],
])('refuses %s', async (_what, body, status) => {
  const { post, reports } = await openDoor();
  expect((await post(body)).status).toBe(status);
  expect(reports).toEqual([]);
});

it('says when lines could not be stored', async () => {
  const { post } = await openDoor({ isStored: false });
  expect(await (await post(JSON.stringify(report))).json()).toMatchObject({ isLost: true });
});

it('knows which runners have closed, and wakes who waits for the next', async () => {
  const { door, post } = await openDoor();
  await post(JSON.stringify(report));
  expect(door.hasClosed(4711)).toBe(false);
  const closed = door.nextClose(60_000);
  await post(JSON.stringify({ ...report, isClosed: true }));
  await closed;
  expect(door.hasClosed(4711)).toBe(true);
});
