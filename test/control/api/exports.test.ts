/** Exports of log lines and invocations over the API: whole, gone on with, compressed, for the team alone. */
import { once } from 'node:events';
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, logLine, type Platform, signUp, startPlatform } from '../../support/api.ts';

const count = 1_200;
let platform: Platform;
let ada: string;
let bob: string;

beforeAll(async () => {
  platform = await startPlatform();
  ada = await signUp(platform, 'ada');
  bob = await signUp(platform, 'bob');
  await api(platform, ada, 'POST', '/handlers', { name: 'otter' });
  const numbers = Array.from({ length: count }, (_, n) => n);
  await platform.append(numbers.map((n) => logLine('otter', `line ${n}, "quoted"`)));
  await platform.record({
    records: numbers.map((n) => ({
      ...{
        id: `i_${String(n).padStart(8, '0')}`,
        handler: 'otter',
        deployment: 1,
        startedMs: 1_000 + n,
        durationMs: 1,
      },
      ...{ method: 'GET', path: '/', status: 200, outcome: 'ok', gas: 1, memoryPages: 1, bytesIn: 0, bytesOut: 1 },
      ...{ syscalls: {}, io: {}, logLines: 1 },
    })),
    counts: [],
  });
});
afterAll(() => platform.close());

async function exported(path: string, coding = 'identity', token = ada) {
  const headers = { authorization: `Bearer ${token}`, 'accept-encoding': coding };
  const [response] = await once(
    request(`${platform.url}/api/v1/handlers/otter/${path}`, { headers }).end(),
    'response',
  );
  return { status: response.statusCode, headers: response.headers, bytes: await buffer(response) };
}

describe.each([
  ['logs', 'cursor'],
  ['invocations', 'id'],
] as const)('an export of %s', (what, key) => {
  test('has all of them, oldest first; it goes on behind any of them', async () => {
    const { status, headers, bytes } = await exported(`${what}/export`);
    expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    const lines = bytes.toString().trimEnd().split('\n');
    expect(lines).toHaveLength(count);
    const keys = lines.map((text) => JSON.parse(text)[key]);
    expect(keys).toEqual([...keys].sort((a, b) => (a < b ? -1 : 1)));
    for (const at of [0, 777, count - 1]) {
      const rest = (await exported(`${what}/export?after=${keys[at]}`)).bytes.toString();
      expect(rest).toBe(
        lines
          .slice(at + 1)
          .map((text) => `${text}\n`)
          .join(''),
      );
    }
  });

  test('as CSV has a header and the same facts; the header is left out where it goes on', async () => {
    const { headers, bytes } = await exported(`${what}/export?format=csv`);
    expect(headers['content-type']).toBe('text/csv; charset=utf-8');
    const [names, ...records] = bytes.toString().trimEnd().split('\r\n');
    expect(names!.split(',')).toContain(key);
    expect(records).toHaveLength(count);
    const first = JSON.parse((await exported(`${what}/export`)).bytes.toString().split('\n', 1)[0]!)[key];
    const rest = (await exported(`${what}/export?format=csv&after=${first}`)).bytes.toString();
    expect(rest).toBe(
      records
        .slice(1)
        .map((text) => `${text}\r\n`)
        .join(''),
    );
  });

  test.each([
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ])('is compressed with %s where the client takes it', async (coding, decompress) => {
    const { headers, bytes } = await exported(`${what}/export`, coding);
    expect(headers['content-encoding']).toBe(coding);
    expect(decompress(bytes)).toEqual((await exported(`${what}/export`)).bytes);
  });

  test('is for the team alone, and refuses what it does not know', async () => {
    expect((await exported(`${what}/export`, 'identity', bob)).status).toBe(404);
    expect((await exported(`${what}/export?format=xml`)).status).toBe(400);
    expect((await exported(`${what}/export?limit=1`)).status).toBe(400);
  });
});
