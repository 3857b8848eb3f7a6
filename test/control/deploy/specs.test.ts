import { expect, test } from 'vitest';
import type { DeploymentRow } from '../../../src/control/deploy/deployment-row.ts';
import { Specs } from '../../../src/control/deploy/specs.ts';
import { noSettings } from '../../../src/control/handlers/settings.ts';
import { defaultLimits, type Limits } from '../../../src/protocol/limits.ts';
import type { PreviewName } from '../../../src/protocol/messages.ts';
import type { VettedModule } from '../../../src/protocol/module.ts';

const nobody = () => Promise.reject(new Error('everything is known'));
const specs = new Specs({
  artifactRows: { moduleOf: nobody },
  previewStore: { of: nobody },
  artifacts: { get: nobody } as never,
  env: { envOf: nobody },
  settings: { withOwner: nobody },
});

async function specIdOf(
  manifest: { limits?: object; policy?: object | null; env?: object },
  variables: Record<string, string> = {},
  row: Partial<DeploymentRow> = {},
  preview: PreviewName | null = null,
  limits: Partial<Limits> = {},
): Promise<string> {
  const whole = {
    limits: defaultLimits,
    policy: null,
    env: {},
    files: null,
    passAuthorization: false,
    abi: 'auto',
    ...manifest,
  };
  const one = { id: 'd1', handler_id: 'h1', number: 1, manifest: JSON.stringify(whole), ...row } as DeploymentRow;
  const known = {
    module: {} as VettedModule,
    files: [],
    variables,
    ownerId: 'u1',
    settings: { ...noSettings, limits },
    preview,
  };
  return (await specs.specOf(one, 'otter', known)).specId;
}

test('a spec id changes with the Deployment, the preview, a variable, a limit or the policy', async () => {
  const policy = { allow: ['^https:'], disallow: [] };
  const ids = await Promise.all([
    specIdOf({}),
    specIdOf({}, {}, { id: 'd2' }),
    specIdOf({}, { A: '1' }),
    specIdOf({}, { A: '2' }),
    specIdOf({ limits: { ...defaultLimits, timeoutMs: 1 } }),
    specIdOf({ policy }),
    specIdOf({}, {}, {}, { id: 'p1', slug: 'dev' }),
    specIdOf({}, {}, {}, { id: 'p2', slug: 'dev' }),
    specIdOf({}, {}, {}, { id: 'p1', slug: 'dev-2' }),
    specIdOf({ policy: { allow: [], disallow: ['^https:'] } }),
    // The same limit, but set by command: what is said of it changes.
    specIdOf({}, {}, {}, null, { gas: defaultLimits.gas }),
  ]);
  expect(new Set(ids).size).toBe(ids.length);
});

test('a spec id does not depend on the order in which values were written', async () => {
  const { bodyBytes, ...others } = defaultLimits;
  expect(await specIdOf({ limits: { bodyBytes, ...others } }, { A: '1', B: '2' })).toBe(
    await specIdOf({ limits: { ...others, bodyBytes } }, { B: '2', A: '1' }),
  );
});
