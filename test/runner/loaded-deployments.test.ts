/** What a runner keeps of a Deployment, and that it lets go of all of it once nothing serves it any more. */
import { describe, expect, it } from 'vitest';
import { LINKER_VERSION } from '../../src/guest/component/recognise.ts';
import { SchemeRegistry } from '../../src/guest/kernel/scheme-registry.ts';
import { MIB } from '../../src/protocol/limits.ts';
import type { DeploymentSpec } from '../../src/protocol/messages.ts';

import { CodeStore } from '../../src/runner/code-store.ts';

import { HandlerStates } from '../../src/runner/handler-states.ts';
import { LoadedDeployments } from '../../src/runner/loaded-deployments.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { compileWat, deploymentOf, writer } from '../support/fleet.ts';

function makeTable(onUnloadable: (spec: DeploymentSpec, reason: string) => void = () => {}) {
  const budget = new MemoryBudget(64 * MIB);
  const closed: string[] = [];
  const nobody = () => Promise.reject(new Error('no guest runs here'));
  const handlers = new HandlerStates(({ handlerId }) => ({
    schemes: new SchemeRegistry([]),
    kv: { get: nobody, put: nobody, replace: nobody, delete: nobody, keys: nobody },
    queues: { publish: nobody },
    calls: { accept: nobody, show: nobody, answer: nobody },
    close: () => closed.push(handlerId),
  }));
  /** Artifacts that control has, and the names of those it was asked for. */
  const artifacts = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const read = async (name: string) => {
    asked.push(name);
    return artifacts.get(name) ?? expect.fail(`control has no ${name}`);
  };
  const codes = new CodeStore({ read, collect: () => {} });
  return {
    ...{ budget, closed, artifacts, asked },
    table: new LoadedDeployments({ budget, handlers, codes, mark: { enter: () => {} }, onUnloadable }),
  };
}

const deployed = async (text: string) => deploymentOf('hello', await compileWat(writer(text)));

describe('a Deployment that is forgotten', () => {
  it('keeps its slots while an Invocation runs in one, and nothing afterwards', async () => {
    const { budget, closed, artifacts, table } = makeTable();
    const { spec, bytes } = await deployed('one');
    artifacts.set(spec.artifact, bytes);
    await table.prepare(spec, { isLazy: false });
    const live = table.find(spec.specId);
    const slot = live?.pool?.take();
    if (live === undefined || slot === null || slot === undefined) throw new Error('not prepared');
    live.inFlight = 1;
    const heldBytes = budget.usedBytes;
    expect(heldBytes).toBeGreaterThan(0);

    table.forget(spec.specId);
    expect(table.find(spec.specId)).toBeUndefined();
    expect(budget.usedBytes).toBe(heldBytes);
    expect(closed).toEqual([]);

    live.inFlight = 0;
    live.pool?.give(slot, true);
    table.free(live);
    expect(budget.usedBytes).toBe(0);
    expect(closed).toEqual([spec.handlerId]);
  });

  it('takes its code along, unless another Deployment has the same', async () => {
    const { artifacts, asked, table } = makeTable();
    const first = await deployed('same');
    const second = await deployed('same');
    expect(second.spec.artifact).toBe(first.spec.artifact);
    artifacts.set(first.spec.artifact, first.bytes);
    await table.prepare(first.spec, { isLazy: false });
    await table.prepare(second.spec, { isLazy: false });
    table.forget(first.spec.specId);
    // The code is still there for whoever wants it.
    await table.prepare((await deployed('same')).spec, { isLazy: false });
    table.forget(second.spec.specId);
    expect(table.size).toBe(1);
    expect(asked).toEqual([first.spec.artifact]);
  });

  it('is asked for and compiled again when it comes back', async () => {
    const { artifacts, asked, table } = makeTable();
    const { spec, bytes } = await deployed('back');
    artifacts.set(spec.artifact, bytes);
    await table.prepare(spec, { isLazy: false });
    table.forget(spec.specId);
    expect(table.size).toBe(0);
    await table.prepare(spec, { isLazy: false });
    expect(table.size).toBe(1);
    expect(asked).toEqual([spec.artifact, spec.artifact]);
  });
});

describe('code that calls a function which this runner does not have', () => {
  it('is not prepared, and what is live with it is not run and says so once', async () => {
    const told: string[] = [];
    const { artifacts, table } = makeTable(({ handler }, reason) => told.push(`${handler}: ${reason}`));
    const { spec, bytes } = await deployed('gone');
    const [first, ...others] = spec.module.plan.imports;
    const plan = { ...spec.module.plan, imports: [{ ...first!, name: 'a function of another version' }, ...others] };
    const linked = { ...spec, module: { ...spec.module, plan } };
    artifacts.set(spec.artifact, bytes);
    await expect(table.prepare(linked, { isLazy: false })).rejects.toThrow('does not have');
    expect(table.size).toBe(0);
    await table.prepare(linked, { isLazy: true });
    const live = table.find(spec.specId)!;
    await table.warm(live);
    await table.warm(live);
    expect([live.pool, live.quarantine]).toEqual([null, expect.stringContaining('a function of another version')]);
    expect(told).toEqual([
      expect.stringMatching(/^hello: it calls .* another version, which this version .* not have/),
    ]);
  });

  it.each([
    [-1, /an earlier version has linked its component \(linker \d+, here \d+\); it is linked anew/],
    [0, /another version has checked it/],
    [1, /a later version has linked its component \(linker \d+, here \d+\); this node has to be upgraded/],
  ])('says which linker has linked a component: %i', async (later, words) => {
    const { artifacts, table } = makeTable();
    const { spec, bytes } = await deployed('linked');
    const [first, ...others] = spec.module.plan.imports;
    const plan = { ...spec.module.plan, imports: [{ ...first!, name: 'a function of another linker' }, ...others] };
    const component = { linkerVersion: LINKER_VERSION + later, entry: 'wasi:cli/run@0.3.0', functions: 1 };
    artifacts.set(spec.artifact, bytes);
    const linked = { ...spec, module: { ...spec.module, plan, component } };
    await expect(table.prepare(linked, { isLazy: false })).rejects.toThrow(words);
  });
});
