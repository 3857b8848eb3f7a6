import { expect, test } from 'vitest';
import { defaultLimits } from '../../../src/protocol/limits.ts';
import type { DeploymentView } from '../../../src/protocol/views.ts';
import { deploymentDetail, deploymentTable, previewRollback } from '../../../ui-cli/text/deployment.ts';

const deployment = (more: Partial<DeploymentView>): DeploymentView => ({
  ...{ number: 1, state: 'retired', commit: '3dd7df0aa', ref: 'refs/heads/main', preview: null, pushedBy: 'ada' },
  ...{ createdMs: 0, modulePath: 'a.wasm', moduleBytes: 1_024, moduleSha256: '', abis: ['cwa'], interfaces: ['cwa'] },
  ...{ limits: defaultLimits, policy: null, newlyAllowed: [], vetMs: 1, failure: null, author: null, subject: null },
  ...more,
});

test('a rollback says beforehand what the older version may do that the live one may not', () => {
  const live = deployment({ number: 2, state: 'live', policy: { allow: ['^https://a\\.com/'], disallow: ['^tcp:'] } });
  const older = deployment({
    interfaces: ['cwa', 'wasi:http/types@0.2'],
    policy: { allow: ['^https://a\\.com/', '^https://b\\.com/'], disallow: [] },
  });
  expect(previewRollback('otter', [live, older], 1, { live: 2 }).lines).toEqual([
    'otter: v2 -> v1',
    '  v2  3dd7df0  a.wasm  1 KiB  (live now)',
    '  v1  3dd7df0  a.wasm  1 KiB',
    '  newly allowed: https://b.com/',
    '  no longer disallowed: tcp:',
    '  newly imported: wasi:http/types@0.2',
  ]);
  expect(previewRollback('otter', [live, deployment({ policy: live.policy })], 1, { live: 2 }).lines).toHaveLength(3);
});

test('during a gradual release the version that has the other calls is the live one', () => {
  const shared = deployment({ number: 3, state: 'live' });
  const live = deployment({ number: 2, state: 'live' });
  const all = [shared, live, deployment({ number: 1 })];
  const preview = previewRollback('otter', all, 1, { live: 2 });
  expect([preview.change, preview.from]).toEqual(['otter: v2 -> v1', 2]);
  expect(() => previewRollback('otter', all, 3, { live: 2 })).toThrow('v3 gets a share of the calls already');
  expect(() => previewRollback('otter', all, 2, { live: 2 })).toThrow('v2 is live already');
  const ofPreview = [
    deployment({ number: 5, state: 'live', preview: 'dev' }),
    deployment({ number: 4, preview: 'dev' }),
  ];
  expect(previewRollback('otter', [...ofPreview, ...all], 4, { branch: 'dev', live: 2 }).from).toBe(5);
});

test('versions are listed with the subject of their commit, and with what they may do that those before may not', () => {
  const newlyAllowed = ['newly allowed: https://a/', 'newly allowed: b', 'newly imported: c', 'newly imported: d'];
  const next = deployment({ number: 2, subject: `Say\u001b ${'hello '.repeat(20)}`, author: 'Ada', newlyAllowed });
  const lines = deploymentTable([next, deployment({})], 0);
  expect(lines[0]).toMatch(/ABI +MODULE +SUBJECT$/);
  expect(lines[1]).toMatch(/a\.wasm +Say\^\[ hello (hello )+.*$/);
  expect(lines.slice(2, 6)).toEqual([...newlyAllowed.slice(0, 3), 'and 1 more'].map((text) => `  ${text}`));
  expect(lines[6]).toMatch(/^v1 .* a\.wasm$/);
  expect(deploymentDetail(next, 80)).toContainEqual(expect.stringMatching(/^subject +Say\^\[ hello .* \(by Ada\)$/));
  expect(deploymentDetail(next, 80)).toContainEqual(expect.stringContaining(newlyAllowed.join(', ')));
  expect(deploymentDetail(deployment({}), 80)).toContain('newly    nothing');
});
