import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { testScreens } from '../../support/screens.ts';
import { keys, type Terminal } from '../../support/terminal.tsx';

const screens = testScreens();
let adaId = '';
beforeAttempts(async () => {
  adaId = (await screens.control.accounts.actorOfToken(screens.token))!.user.id;
});

async function publish(queue: string, ...bodies: readonly (string | Uint8Array)[]): Promise<string> {
  for (const body of bodies) await screens.control.publish(adaId, queue, body);
  return (await screens.control.queues.find(adaId, queue)).id;
}

/** Makes the oldest ready message of a queue a dead letter. */
async function kill(queueId: string, reason: string): Promise<void> {
  const { db } = screens.control;
  const ready = db
    .selectFrom('messages')
    .select('position')
    .where('queue_id', '=', queueId)
    .where('state', '=', 'ready');
  const { position } = await ready.orderBy('position').executeTakeFirstOrThrow();
  await db
    .updateTable('messages')
    .set({ state: 'dead', reason, attempts: 3, ended_ms: Date.now() })
    .where('queue_id', '=', queueId)
    .where('position', '=', position)
    .execute();
}

async function openQueue(name: string): Promise<Terminal> {
  const screen = screens.open();
  await screen.shows('gamma');
  await screen.press('Q', name);
  await screen.press(`/${name}`, `1 of `);
  await screen.press(keys.enter, `filter: ${name}`);
  await screen.press(keys.enter, `queues › ${name}`);
  await screen.shows('POSITION');
  return screen;
}

test('without a queue the screen says how to make one; a message published there makes it', async () => {
  const token = await screens.control.user('nobody');
  const screen = screens.open({ token });
  await screen.shows('No handlers yet');
  await screen.press('Q', 'No queues yet');
  await screen.press('a', 'Publish a message');
  await screen.press(`letters${keys.tab}dear reader`, 'dear reader');
  await screen.press(keys.ctrlS, 'to letters');
  await screen.shows(/› letters +no consumer +1/);
});

test('one queue: its messages by state, control characters visible, one looked at as text and as bytes', async () => {
  const id = await publish('mail', 'evil \u001b[2J\u0007 body\nsecond line', Uint8Array.of(0xff, 0x1b, 0x41), 'fine');
  await kill(id, 'exit 1: \u001b[31mno');
  const screen = await openQueue('mail');
  await screen.shows(/ready 2.* dead 1/);
  expect(screen.frame).toContain('no consumer yet');
  expect(screen.frame).toMatch(/dead .* 3 .*exit 1: \^\[\[31mno +evil \^\[\[2J\^G body\^Jsecond line/);
  expect(screen.frame).toMatch(/\(binary\) \/xtB/);
  expect(screen.frame).not.toContain('\u0007');
  await screen.press(keys.tab, '[ready 2]');
  await screen.hides('evil');
  await screen.press(`${keys.tab}${keys.tab}`, '[dead 1]');
  await screen.shows('evil');
  await screen.press(keys.enter, /state +dead/);
  expect(screen.lines).toContainEqual(expect.stringContaining('evil ^[[2J^G body'));
  await screen.press('h', '65 76 69 6c 20 1b 5b 32  4a 07 20 62');
  expect(screen.frame).toContain('|evil .[2J. body.|');
  await screen.press('t', 'will be delivered again');
  await screen.shows(/state +ready/);
});

test('all dead letters are retried after a yes', async () => {
  const id = await publish('parcels', 'a', 'b', 'c');
  await kill(id, 'trapped');
  await kill(id, 'trapped');
  const screen = await openQueue('parcels');
  await screen.shows('dead 2');
  await screen.press('T', 'Deliver 2 dead letters again?');
  await screen.press('n', 'dead 2');
  await screen.press('T', 'Deliver 2 dead letters again?');
  await screen.press('y', '2 dead letters will be delivered again');
  await screen.shows('ready 3');
});

test('purging asks for the name and takes no other, and removes what is shown alone', async () => {
  const id = await publish('bills', 'a', 'b', 'c');
  await kill(id, 'trapped');
  const screen = await openQueue('bills');
  await screen.press(`${keys.tab}${keys.tab}${keys.tab}`, '[dead 1]');
  await screen.press('P', 'Purge 1 dead message of bills');
  await screen.press(`bill${keys.enter}`, 'that is not bills; nothing was removed');
  await screen.press(`s${keys.enter}`, 'removed 1 message');
  await screen.shows('ready 2');
  await screen.press('D', 'Delete the queue bills');
  await screen.press(`bills${keys.enter}`, 'deleted the queue bills');
  await screen.shows('QUEUE');
  await expect(screens.control.queues.find(adaId, 'bills')).rejects.toMatchObject({ code: 'not_found' });
});

test('pause and resume show on the screen', async () => {
  await publish('slow', 'a');
  const screen = await openQueue('slow');
  await screen.press('p', 'slow is paused');
  await screen.shows('PAUSED: messages come in and wait');
  await screen.press('p', 'slow delivers again');
  await screen.shows('no consumer yet');
});

test('an export writes the shown messages to a new file, and goes on with an interrupted one after a yes', async () => {
  await publish('orders', 'one', 'two', 'three');
  const { folder } = screens.control;
  const screen = await openQueue('orders');
  await screen.press('x', 'orders.ndjson');
  await screen.press(keys.enter, 'wrote 3 messages');
  const lines = (await readFile(join(folder, 'orders.ndjson'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(['one', 'two', 'three']);
  await screen.press('x', 'Export all messages');
  await screen.press(keys.enter, 'exists already');

  await rm(join(folder, 'orders.ndjson'));
  await writeFile(join(folder, 'orders.ndjson.part'), `${lines[0]}\n`);
  await screen.press('x', 'Export all messages');
  await screen.press(keys.enter, 'Go on with the export?');
  await screen.press('y', 'wrote 3 messages');
  expect((await readFile(join(folder, 'orders.ndjson'), 'utf8')).trimEnd().split('\n')).toEqual(lines);
  await expect(access(join(folder, 'orders.ndjson.part'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a long queue is loaded page by page as the selection moves', async () => {
  const texts = Array.from({ length: 450 }, (_, i) => `letter ${String(i).padStart(3, '0')}`);
  await screens.control.publish(adaId, 'long', texts);
  const screen = await openQueue('long');
  await screen.shows(/1 of 200 +more follow/);
  await screen.press('G', /200 of 400 +more follow/);
  expect(screen.frame).toContain('letter 199');
  await screen.press('G', '400 of 450');
  await screen.press('G', '450 of 450');
  expect(screen.frame).toContain('letter 449');
  expect(screen.frame).not.toContain('more follow');
  await screen.press('r', /200 +more follow/);
});

test('on the smallest terminal the queue still shows its messages and keys', async () => {
  await publish('tiny', 'hello');
  const screen = await openQueue('tiny');
  screen.resize(60, 14);
  await screen.shows('hello');
  expect(screen.lines).toHaveLength(14);
  expect(screen.footer).toContain('? help');
  for (const line of screen.lines) expect(line.length).toBeLessThanOrEqual(60);
});

test('a lost server leaves the messages on the screen and says so', async () => {
  await publish('kept', 'still here');
  const screen = await openQueue('kept');
  await screen.shows('still here');
  await screens.control.pause();
  await screen.press('r', 'showing what was there');
  expect(screen.frame).toContain('still here');
  expect(screen.lines[0]).toContain('offline');
  await screens.control.resume();
  await screen.press('r', '● online');
});
