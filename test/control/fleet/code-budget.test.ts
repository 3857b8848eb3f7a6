/** More code than a runner may hold: a runner that starts serves at once, and every function answers. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';
import { MIB } from '../../../src/protocol/limits.ts';
import type { HandlerId } from '../../../src/protocol/names.ts';
import { codeLimits, connectionLimits } from '../../../src/runner/limits.ts';
import { call, compileWat, deploymentOf, TestFleet, writer } from '../../support/fleet.ts';

const fleets: TestFleet[] = [];
afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.stop()));
});

/** A fleet whose state has `count` released Deployments, each said to have `codeBytes` of machine code. */
async function fleetWith(count: number, codeBytes: number): Promise<TestFleet> {
  const fleet = new TestFleet();
  fleets.push(fleet);
  for (let n = 0; n < count; n += 1) {
    const name = `handler-${n}`;
    const { spec, bytes } = deploymentOf(name, await compileWat(writer(name)), { ownerId: `owner-${n}` });
    const sized = { ...spec, module: { ...spec.module, codeBytes } };
    fleet.artifacts.set(spec.artifact, bytes);
    fleet.specs.set(spec.specId, sized);
    fleet.releases.set(name, spec.specId);
  }
  return fleet;
}

/**
 * Starts a fleet with the Deployments of fleetWith, which gets the code of `gatedLabel`, or any code, only when
 * `opened` is resolved.
 */
async function gatedFleet(count: number, gatedLabel: string | null = null) {
  const fleet = await fleetWith(count, MIB);
  fleets.pop();
  const opened = Promise.withResolvers<void>();
  const late = gatedLabel === null ? null : fleet.specs.get(fleet.releases.get(gatedLabel) ?? '')?.artifact;
  const gated = new TestFleet({
    releases: fleet.feed,
    readArtifact: async (name) => {
      if (late === null || name === late) await opened.promise;
      return fleet.artifacts.get(name)!;
    },
  });
  fleets.push(gated);
  await gated.start();
  return { gated, opened };
}

describe('a runner that starts with more code than it may hold', () => {
  it('serves, and answers every call, in any order and at the same time', async () => {
    const count = 6;
    const fleet = await fleetWith(count, codeLimits.bytes / 4);
    await fleet.start();
    const names = Array.from({ length: count }, (_, n) => `handler-${n}`);
    for (let round = 0; round < 2; round += 1)
      for (const name of round % 2 === 0 ? names : [...names].reverse())
        expect((await call(`${fleet.url}/${name}/`)).text).toBe(name);
    const answers = await Promise.all(names.map((name) => call(`${fleet.url}/${name}/`)));
    // At the same time some may find that all the room is used by calls that run.
    for (const [index, { status, text }] of answers.entries()) if (status !== 503) expect(text).toBe(names[index]);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect(fleet.events.filter(({ kind }) => kind === 'runner_ended')).toEqual([]);
  });

  it('has code whole that came in several parts', async () => {
    const fleet = await fleetWith(0, MIB);
    const body = 'x'.repeat(3 * fleetLimits.partBytes);
    const { spec, bytes } = deploymentOf('long', await compileWat(writer(body)));
    fleet.artifacts.set(spec.artifact, bytes);
    fleet.specs.set(spec.specId, spec);
    fleet.releases.set('long', spec.specId);
    await fleet.start();
    expect((await call(`${fleet.url}/long/`)).text).toBe(body);
  });

  it('serves before any code is there: a call waits for its own', async () => {
    const { gated, opened } = await gatedFleet(3);
    const waiting = call(`${gated.url}/handler-1/`);
    opened.resolve();
    expect((await waiting).text).toBe('handler-1');
  });

  it('keeps places for requests of others, however many wait for one owner’s code', async () => {
    const { gated, opened } = await gatedFleet(2, 'handler-0');
    const perConnection = connectionLimits.pipelined + 1;
    const refused = Promise.withResolvers<void>();
    const sockets = Array.from({ length: Math.ceil(codeLimits.requests / perConnection) + 1 }, () => {
      const socket = connect(Number(new URL(gated.url).port), '127.0.0.1');
      socket.write('GET /handler-0/ HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(perConnection));
      return socket.on('data', () => refused.resolve());
    });
    await refused.promise;
    expect((await call(`${gated.url}/handler-1/`)).text).toBe('handler-1');
    for (const socket of sockets) socket.destroy();
    opened.resolve();
  });

  it('runs nothing for a client that left while its code was loaded', async () => {
    const { gated, opened } = await gatedFleet(2);
    const socket = connect(Number(new URL(gated.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET /handler-1/ HTTP/1.1\r\nHost: localhost\r\n\r\n', () => socket.destroy());
    await once(socket, 'close');
    // Answered after the runner has read the request and its end.
    for (let n = 0; n < 3; n += 1) expect((await call(`${gated.url}/nobody/`)).status).toBe(404);
    const waiting = call(`${gated.url}/handler-1/`);
    opened.resolve();
    expect((await waiting).text).toBe('handler-1');
    await gated.until(() => gated.records.find(({ handler }) => handler === 'handler-1'));
    expect(gated.records.filter(({ handler }) => handler === 'handler-1').map(({ outcome }) => outcome)).toEqual([
      'ok',
    ]);
  });

  it('compiles what was called last before the rest, and of the rest what is small first', async () => {
    const stored = new TestFleet();
    const lastCallMs: Record<HandlerId, number> = {};
    const handlerOf = new Map<string, string>();
    for (const [name, mib, calledMs] of [
      ['large', 3, undefined],
      ['older', 1, 60_000],
      ['newer', 4, 120_000],
      ['small', 2, undefined],
    ] as const) {
      const { spec, bytes } = deploymentOf(name, await compileWat(writer(name)));
      stored.artifacts.set(spec.artifact, bytes);
      stored.specs.set(spec.specId, { ...spec, module: { ...spec.module, codeBytes: mib * MIB } });
      stored.releases.set(name, spec.specId);
      handlerOf.set(spec.artifact, name);
      if (calledMs !== undefined) lastCallMs[spec.handlerId] = calledMs;
    }
    const compiled: (string | undefined)[] = [];
    const fleet = new TestFleet({
      releases: stored.feed,
      lastCallMs: async () => lastCallMs,
      readArtifact: async (name) => {
        compiled.push(handlerOf.get(name));
        return stored.artifacts.get(name)!;
      },
    });
    fleets.push(fleet);
    await fleet.start();
    // The runner tells that it serves when it has compiled all.
    expect(compiled).toEqual(['newer', 'older', 'small', 'large']);
  });
});
