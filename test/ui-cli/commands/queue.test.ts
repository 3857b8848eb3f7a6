import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Control, Home, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
let variables: Record<string, string>;
beforeAll(async () => {
  control = await startControl();
  home = await Home.make(control);
  variables = { WASMCLOUD_TOKEN: await control.user('ada') };
  await control.handler('swift-otter', 'ada');
});
afterAll(() => control.close());

const wasmcloud = (...words: readonly string[]) => home.wasmcloud(words, { variables });
const publish = async (queue: string, message: Uint8Array) => {
  const handler = await control.handlers.find('swift-otter');
  await control.queues.publish({ handlerId: handler!.id, queue, message });
};

test('queues are listed, read and purged', async () => {
  expect(await wasmcloud('queue', 'swift-otter')).toMatchObject({ status: 0, stdout: '' });
  await publish('mail', Buffer.from('hello \u001b[31mred'));
  await publish('mail', Buffer.from([0xff]));
  const listed = await wasmcloud('queue', 'swift-otter');
  expect(listed.stdout).toMatch(/^mail +2 +15 B +/m);

  const read = await wasmcloud('queue', 'swift-otter', 'read', 'mail');
  expect(read.stdout).toMatch(/^ *1 +\d{4}-.*Z +14 B +hello \^\[\[31mred\n *2 +.*base64:\/w==$/m);
  const page = JSON.parse((await wasmcloud('queue', 'swift-otter', 'read', 'mail', '--limit', '1', '--json')).stdout);
  expect(page).toMatchObject({ messages: [{ position: 1 }], next: 1 });
  const next = await wasmcloud('queue', 'swift-otter', 'read', 'mail', '--after', '1');
  expect(next.stdout).not.toContain('hello');

  expect((await wasmcloud('queue', 'swift-otter', 'purge', 'mail')).stderr).toContain('needs a yes');
  const purged = await wasmcloud('queue', 'swift-otter', 'purge', 'mail', '--yes');
  expect(purged.stdout).toBe('removed 2 messages (15 B) from mail\n');
  expect(JSON.parse((await wasmcloud('queue', 'swift-otter', '--json')).stdout)).toEqual([]);
});

test('what is no action, or names no queue, is said', async () => {
  expect((await wasmcloud('queue', 'swift-otter', 'drop', 'mail')).stderr).toContain('queue knows read and purge');
  expect((await wasmcloud('queue', 'swift-otter', 'read')).stderr).toContain('which queue?');
  expect((await wasmcloud('queue', 'nobody')).status).toBe(1);
});
