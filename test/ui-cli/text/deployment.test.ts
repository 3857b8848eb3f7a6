import { expect, test } from 'vitest';
import { defaultLimits } from '../../../src/protocol/limits.ts';
import type { DeploymentView } from '../../../src/protocol/nouns.ts';
import { previewRollback } from '../../../ui-cli/text/deployment.ts';

const deployment = (more: Partial<DeploymentView>): DeploymentView => ({
  ...{ number: 1, state: 'retired', commit: '3dd7df0aa', ref: 'refs/heads/main', preview: null, pushedBy: 'ada' },
  ...{ createdMs: 0, modulePath: 'a.wasm', moduleBytes: 1_024, moduleSha256: '', abis: ['cwa'], interfaces: ['cwa'] },
  ...{ limits: defaultLimits, policy: null, vetMs: 1, failure: null },
  ...more,
});

test('a rollback says beforehand what the older version may do that the live one may not', () => {
  const live = deployment({ number: 2, state: 'live', policy: { allow: ['^https://a\\.com/'], disallow: ['^tcp:'] } });
  const older = deployment({
    interfaces: ['cwa', 'wasi:http/types@0.2'],
    policy: { allow: ['^https://a\\.com/', '^https://b\\.com/'], disallow: [] },
  });
  expect(previewRollback('otter', [live, older], 1).lines).toEqual([
    'otter: v2 -> v1',
    '  v2  3dd7df0  a.wasm  1 KiB  (live now)',
    '  v1  3dd7df0  a.wasm  1 KiB',
    '  newly allowed: https://b.com/',
    '  no longer disallowed: tcp:',
    '  newly imported: wasi:http/types@0.2',
  ]);
  expect(previewRollback('otter', [live, deployment({ policy: live.policy })], 1).lines).toHaveLength(3);
});
