/** `file:`: the Process's own file system for guests that know nothing but URLs. */
import { expect, test } from 'vitest';
import { makeFileSystem } from '../../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../../src/guest/kernel/fs/lower-tree.ts';
import { type Call, type CallsOptions, expectMemory, result, runCalls } from '../../support/calls.ts';

const lower = lowerTree([
  { path: 'page.html', bytes: Buffer.from('<p>page') },
  { path: 'a b/ü.txt', bytes: Buffer.from('escaped') },
]);
const data = 0x400;

const run = (urls: readonly string[], calls: readonly Call[], options: Partial<CallsOptions> = {}) => {
  const laid: Record<number, string> = {};
  urls.forEach((url, index) => {
    laid[data + index * 0x100] = url;
  });
  return runCalls({
    abi: 'cwa',
    calls,
    files: () => makeFileSystem({ lower, nowNs: () => 0n }),
    ...options,
    data: { ...laid, ...options.data },
  });
};
const open = (urls: readonly string[], index = 0): Call => [
  'resource_open',
  data + index * 0x100,
  Buffer.byteLength(urls[index] as string),
];

test('the tree is read to its end, and not written', async () => {
  const urls = ['file:///page.html'];
  const done = await run(urls, [
    open(urls),
    ['resource_read', result(0), 0x100, 3],
    ['resource_read', result(0), 0x110, 100],
    ['resource_read', result(0), 0x120, 100],
    ['resource_write', result(0), 0x100, 1],
    ['resource_flush', result(0)],
  ]);
  expect(done.results).toEqual([0, 3, 4, -5, -3, 0]);
  expectMemory(done, { 256: '<p>', 272: 'page' });
});

test('scratch is made, written and read back through another descriptor', async () => {
  const urls = ['file:///tmp/new', 'file://localhost/tmp/new', 'file:/tmp/./new'];
  const done = await run(
    urls,
    [
      open(urls),
      ['resource_write', result(0), 0x20, 5],
      open(urls, 1),
      ['resource_read', result(2), 0x100, 100],
      open(urls, 2),
      ['resource_read', result(4), 0x110, 2],
    ],
    { data: { 32: 'hello' } },
  );
  expect(done.results).toEqual([0, 5, 1, 5, 2, 2]);
  expectMemory(done, { 256: 'hello', 272: 'he' });
});

test('percent-escapes are decoded, a query is no part of the name', async () => {
  const urls = ['file:///a%20b/%C3%BC.txt?x#y'];
  const done = await run(urls, [open(urls), ['resource_read', result(0), 0x100, 100]]);
  expect(done.results).toEqual([0, 7]);
});

test.each([
  ['file:///none', -4],
  ['file:///none/below', -4],
  ['file:///tmp/none/below', -4],
  ['file:///../etc/passwd', -4],
  ['file:///tmp/../../etc/passwd', -4],
  ['file:///page.html/below', -4],
  ['file:///tmp', -2],
  ['file:///', -2],
  ['file:', -2],
  ['file://', -2],
  ['file://example.com/page.html', -2],
  ['file:///%00', -2],
  ['file:///%ff', -2],
  [`file:///tmp/${'n'.repeat(256)}`, -2],
])('%s is refused with %i', async (url, error) => {
  const done = await run([url], [open([url])]);
  expect(done.results).toEqual([error]);
  expectMemory(done);
});

test('a full scratch refuses the write', async () => {
  const urls = ['file:///tmp/big'];
  const files = () => makeFileSystem({ lower, nowNs: () => 0n, limits: { bytes: 10, names: 5 } });
  const done = await run(
    urls,
    [open(urls), ['resource_write', result(0), 0, 20], ['resource_write', result(0), 0, 1]],
    {
      files,
    },
  );
  expect(done.results).toEqual([0, 10, -1]);
});
