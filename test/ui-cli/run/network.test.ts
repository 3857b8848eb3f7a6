/** Network schemes from a local run, through the same guard as on the platform. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { guest, wasmcloudRun } from '../../support/ui-cli-run.ts';

let requests = 0;
const server = createServer((request, response) => {
  requests += 1;
  response.end(`you are ${request.headers['trisiel-handler']}\n`);
});
let target = '';

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test('a private address is refused', async () => {
  const run = await wasmcloudRun(['--env', `QUERY_STRING=http://${target}`, guest('cwa/fetch.wasm')]);
  expect(run.status).not.toBe(0);
  expect(run.stderr).toContain(target);
  expect(requests).toBe(0);
});

test('an address that TRISIEL_EGRESS_ALLOW lists is reached, and the tool ends when the guest does', async () => {
  const run = await wasmcloudRun(['--env', `QUERY_STRING=http://${target}`, guest('cwa/fetch.wasm')], '', {
    TRISIEL_EGRESS_ALLOW: target,
  });
  expect(run).toMatchObject({ status: 0, stderr: '' });
  expect(run.stdout.toString()).toMatch(
    /^Content-Type: text\/plain\n\nHTTP\/1\.1 200 OK\r\n.*\r\n\r\nyou are local\n$/s,
  );
  expect(requests).toBe(1);
});

test('kv: holds for the run', async () => {
  const run = await wasmcloudRun([guest('cwa/counter.wasm')]);
  expect(run).toMatchObject({ status: 0, stderr: '' });
  expect(run.stdout.toString()).toBe('1\n');
});
