import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';

const screens = testScreens();
const request = { method: 'GET', path: '/', label: null, authority: null, fields: [], env: {}, timeoutMs: 1_000 };

async function accept(handler: string, id: string): Promise<void> {
  const { id: handlerId } = (await screens.control.handlers.find(handler))!;
  await screens.control.calls.accept({ id, handlerId, request, body: new Uint8Array(), attemptsMax: 3 });
}

test('without a call the tab says how a caller makes one', async () => {
  const screen = screens.open({ handler: 'gamma', tab: 'calls' });
  await screen.shows('No asynchronous calls');
  await screen.shows(/Prefer: respond-async' http/);
});

test('calls show state, attempts, next try and reason, by state; Enter opens the invocation', async () => {
  await accept('alpha', 'waiting-call-0123456789abcdef');
  await accept('alpha', 'retried-call-0123456789abcdef');
  await screens.control.db
    .updateTable('calls')
    .set({
      attempts: 1,
      due_ms: Date.now() + 3.5 * 3_600_000,
      reason: 'answered 500 \u001b[2J',
      invocation: 'i_broken',
    })
    .where('id', '=', 'retried-call-0123456789abcdef')
    .execute();
  const screen = screens.open({ handler: 'alpha', tab: 'calls' });
  await screen.shows(/retried-call +\S.* +waits +1 +- +in 3 h +answered 500/);
  expect(screen.frame).toMatch(/reason +answered 500 \^\[\[2J/);
  expect(screen.frame).not.toContain('0123456789');
  await screen.press('sss', 'No call ok');
  await screen.press('s', 'No call failed');
  await screen.press('s', 'retried-call');
  await screen.press('/retried', '1 of 2 calls');
  await screen.press(keys.enter, 'filter: retried');
  await screen.press(keys.enter, 'it broke');
});
