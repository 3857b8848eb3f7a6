import { expect, test } from 'vitest';
import { defaultLimits, type LimitName } from '../../src/protocol/limits.ts';
import { handlerNameOf } from '../../src/protocol/names.ts';
import { failureOf, refused } from '../../src/runner/failure.ts';

const spec = (...limitsSet: readonly LimitName[]) => ({
  ...{ handler: handlerNameOf('otter'), limits: defaultLimits },
  ...(limitsSet.length === 0 ? {} : { limitsSet }),
});

test('a limit is told with the place where it stands: the manifest, or the settings that win over it', () => {
  const gas = { kind: 'gas', used: 11, limit: 10 } as const;
  const inManifest = "look for an endless loop, or raise gas in the manifest's [limits]";
  expect(failureOf(gas, false, spec())?.log).toBe(`out of gas: 11 of 10 used; ${inManifest}`);
  expect(failureOf(gas, false, spec('timeoutMs'))?.log).toContain(inManifest);
  expect(failureOf(gas, false, spec('timeoutMs', 'gas'))?.log).toContain('raise it with wasmcloud limits otter --gas');
  const late = failureOf({ kind: 'deadline', timeoutMs: 5 }, false, spec('timeoutMs'));
  expect(late?.log).toContain('raise it with wasmcloud limits otter --timeout-ms');
  const large = { code: 'body_too_large', message: 'a body of 2 MB' } as const;
  expect(refused(large, spec()).log).toContain("raise body-bytes in the manifest's [limits]");
  expect(refused(large, spec('bodyBytes')).log).toContain('raise it with wasmcloud limits otter --body-bytes');
});

test('an exit is a failure only with another status than 0 and without output', () => {
  const exit = (status: number) => ({ kind: 'exit', status }) as const;
  expect(failureOf(exit(0), false, spec())).toBeNull();
  expect(failureOf(exit(3), true, spec())).toBeNull();
  expect(failureOf(exit(3), false, spec())).toMatchObject({ code: 'exited', log: expect.stringContaining('status 3') });
});
