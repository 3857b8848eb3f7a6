import { expect, test } from 'vitest';
import { looksLikeId } from '../../../ui-cli/client/invocation-id.ts';
import { shortId } from '../../../ui-cli/text/log-line.ts';

test.each([
  ['9bf40d90db40-1', '90db40-1'],
  ['9bf40d90db40-10', '90db40-10'],
  ['9bf40d90db40-123456789', '90db40-123456789'],
])('%s is printed as %s, and both are ids', (id, short) => {
  expect(shortId(id)).toBe(short);
  expect(looksLikeId(id)).toBe(true);
  expect(looksLikeId(short)).toBe(true);
});

test.each(['swift-otter', 'face-api', 'v3', '-10', '1234567'])('%s is no id', (word) => {
  expect(looksLikeId(word)).toBe(false);
});
