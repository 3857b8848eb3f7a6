import { expect, it } from 'vitest';
import { SpecShelf } from '../../../src/control/nodes/spec-shelf.ts';
import type { DeploymentSpec } from '../../../src/protocol/messages.ts';

it('keeps the newest 10,000 specs; one that is put again is new', () => {
  const shelf = new SpecShelf();
  const put = (specId: string): void => shelf.put({ specId } as DeploymentSpec);
  for (let n = 1; n <= 10_000; n += 1) put(`s${n}`);
  expect(shelf.get('s1')).toBeDefined();
  put('s1');
  put('s10001');
  expect(shelf.get('s1')).toBeDefined();
  expect(shelf.get('s2')).toBeUndefined();
  expect(shelf.get('s3')).toBeDefined();
  shelf.remove('s3');
  expect(shelf.get('s3')).toBeUndefined();
});
