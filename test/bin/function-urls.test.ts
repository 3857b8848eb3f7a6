import { expect, test } from 'vitest';
import { FunctionUrls } from '../../src/bin/function-urls.ts';

const runUrl = () => 'http://localhost:3003';
const byHost = 'http://swift-otter.localhost:3003';
const byPath = 'http://localhost:3003/swift-otter/';

test('a host name that resolves is enough', async () => {
  const urls = new FunctionUrls({ runUrl, now: () => 0, resolve: async () => '127.0.0.1' });
  expect(await urls.told('swift-otter')).toEqual([byHost]);
});

test('where it does not resolve, the URL that works everywhere is told too', async () => {
  const urls = new FunctionUrls({ runUrl, now: () => 0, resolve: () => Promise.reject(new Error('ENOTFOUND')) });
  expect(await urls.told('swift-otter')).toEqual([byHost, byPath]);
});

test('a resolver that does not answer holds nobody up', async () => {
  const urls = new FunctionUrls({ runUrl, now: () => 0, resolve: () => new Promise(() => undefined) });
  expect(await urls.told('swift-otter')).toEqual([byHost, byPath]);
});

test('one answer counts for a minute', async () => {
  let nowMs = 0;
  let asked = 0;
  const resolve = async () => {
    asked += 1;
  };
  const urls = new FunctionUrls({ runUrl, now: () => nowMs, resolve });
  for (nowMs of [0, 1_000, 60_000, 60_001]) await urls.told('swift-otter');
  expect(asked).toBe(2);
});
