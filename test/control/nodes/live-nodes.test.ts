/** What one control knows of the nodes, from the messages that they send. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BusMessage } from '../../../src/bus/bus.ts';
import { encodeMessage } from '../../../src/bus/codec.ts';
import { busLimits, subjects } from '../../../src/bus/limits.ts';
import { type Alive, kinds, type Prepared, type Profiled } from '../../../src/bus/messages.ts';
import { packProfile } from '../../../src/bus/profiles.ts';
import { LiveNodes, type LiveNodesOptions, liveNodeLimits } from '../../../src/control/nodes/live-nodes.ts';
import { SpecShelf } from '../../../src/control/nodes/spec-shelf.ts';
import type { GasProfile } from '../../../src/protocol/gas-profile.ts';
import { outageLimits } from '../../../src/protocol/limits.ts';
import type { DeploymentSpec } from '../../../src/protocol/messages.ts';
import { handlerIdOf } from '../../../src/protocol/names.ts';

let isConnected: boolean;
let known: Set<string>;
/** Answers of nodes to the question whether they have compiled a spec, by node. */
let answers: Map<string, () => Prepared | Promise<Prepared>>;
/** Answers of nodes to the question for a gas profile, by node. */
let profiled: Map<string, () => Profiled | Promise<Profiled>>;
let gone: string[];
/** Commands that were sent to all nodes. */
let commands: unknown[];
let reported: string[];
let hear: (message: BusMessage) => void;
let live: LiveNodes;
/** Names of leases that are held. */
let held: Set<string>;
const leases: LiveNodesOptions['leases'] = {
  async take({ name, holder }) {
    if (held.has(name)) return null;
    held.add(name);
    return { name, holder, epoch: 1, expiresMs: 0 };
  },
  async release({ name }) {
    held.delete(name);
  },
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  isConnected = true;
  known = new Set(['a', 'b']);
  answers = new Map();
  profiled = new Map();
  gone = [];
  commands = [];
  reported = [];
  held = new Set();
  live = control();
});

/** Makes what one control knows; all of them share the nodes and the leases. */
function control(): LiveNodes {
  return new LiveNodes({
    bus: {
      get isConnected() {
        return isConnected;
      },
      publish: (_subject, _kind, body) => {
        commands.push(body);
        return isConnected;
      },
      subscribe: (_subject, listener) => {
        hear = listener;
      },
      request: async (subject, kind) => {
        const id = subject.replace(subjects.node(''), '');
        const profile = profiled.get(id);
        if (kind === kinds.profile && profile !== undefined) return encodeMessage(kinds.profiled, await profile());
        const answer = answers.get(id);
        if (answer === undefined) throw new Error('no answer');
        return encodeMessage(kinds.prepared, await answer());
      },
    },
    shelf: new SpecShelf(),
    leases,
    controlUrl: 'http://control:3002',
    isKnown: (id) => known.has(id),
    onRunnerGone: (runnerId) => gone.push(runnerId),
    report: (message) => reported.push(message),
  });
}
afterEach(() => {
  live.close();
  vi.useRealTimers();
});

function say(id: string, facts: Partial<Alive> = {}, subject = subjects.alive(id)): void {
  const alive: Alive = {
    ...{ id, epoch: 1, bootId: `boot-of-${id}`, version: '1', url: `http://${id}`, host: id, port: 80 },
    ...{ revision: 1, isServing: true, isStale: false, sinceMs: 1, labels: 0, calls: 0 },
    runners: [{ runnerId: `runner-of-${id}`, pid: 1, isServing: true, stats: null }],
    ...facts,
  };
  hear({ subject, data: encodeMessage(kinds.alive, alive), answer: () => {} });
}
const listed = (): readonly string[] => live.list().map(({ id }) => id);
const spec = { specId: 's', label: 'otter' } as DeploymentSpec;

test('only nodes that are known count, under their own subject, and those of a process that was replaced do not', async () => {
  say('stranger');
  say('a', {}, subjects.alive('b'));
  expect(listed()).toEqual([]);
  say('a', { epoch: 2, revision: 7 });
  say('a', { epoch: 1, revision: 1, bootId: 'older' });
  expect(live.list()).toMatchObject([{ id: 'a', revision: 7 }]);
  // Removed, and added again under the same id: its epochs begin anew.
  live.remove('a');
  say('a', { epoch: 1 });
  expect(listed()).toEqual(['a']);
  known.delete('a');
  await vi.advanceTimersByTimeAsync(liveNodeLimits.lookMs);
  expect(listed()).toEqual([]);
});

test('a node that is silent has no lease; none ends while this control hears nothing', async () => {
  say('a');
  isConnected = false;
  await vi.advanceTimersByTimeAsync(10 * busLimits.leaseMs);
  isConnected = true;
  await vi.advanceTimersByTimeAsync(busLimits.leaseMs - 2 * liveNodeLimits.lookMs);
  expect(listed()).toEqual(['a']);
  await vi.advanceTimersByTimeAsync(3 * liveNodeLimits.lookMs);
  expect(listed()).toEqual([]);
  expect(gone).toEqual([]);
  await vi.advanceTimersByTimeAsync(liveNodeLimits.goneMs);
  expect(gone).toEqual(['runner-of-a']);
});

test('a Release waits for nodes that reach a control, not for one that does not', async () => {
  say('a', { revision: 5 });
  say('b', { revision: 4 });
  let isApplied = false;
  const applied = live.applied(5).then(() => {
    isApplied = true;
  });
  await vi.advanceTimersByTimeAsync(1_000);
  say('a', { revision: 5 });
  say('b', { revision: 4 });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(isApplied).toBe(false);
  say('b', { revision: 4, isStale: true });
  await applied;
  expect(live.servingNewest).toBe(1);
  expect(reported).toEqual([]);
  // Calls of queues go to the one that can ask a control.
  expect([live.pick(), live.pick()]).toMatchObject([{ id: 'a' }, { id: 'a' }]);
});

test('a Release does not wait for ever for a node that lives and does not take it', async () => {
  say('a', { revision: 5 });
  say('b', { revision: 4 });
  const saying = setInterval(() => {
    say('a', { revision: 5 });
    say('b', { revision: 4 });
  }, 1_000);
  const applied = live.applied(5);
  await vi.advanceTimersByTimeAsync(liveNodeLimits.appliedMs + liveNodeLimits.lookMs);
  await applied;
  clearInterval(saying);
  expect(reported).toEqual([expect.stringContaining('have not taken revision 5')]);
  expect(live.servingNewest).toBe(1);
});

test('without NATS nothing is prepared, and the push says why', async () => {
  say('a');
  answers.set('a', () => ({ error: null }));
  isConnected = false;
  await expect(live.prepare(spec)).rejects.toMatchObject({ code: 'unavailable', message: /NATS does not answer/ });
});

test('a module that a node refuses is refused; a node that does not reach this control is an outage', async () => {
  say('a');
  answers.set('a', () => ({ error: 'too many tables' }));
  await expect(live.prepare(spec)).rejects.toMatchObject({ code: 'vet_failed' });
  let asked = 0;
  answers.set('a', () => {
    asked += 1;
    return { error: 'no control can be reached', isOutage: true };
  });
  const saying = setInterval(() => say('a'), 1_000);
  const refused = expect(live.prepare(spec)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('http://control:3002'),
  });
  await vi.advanceTimersByTimeAsync(liveNodeLimits.outageMs + 1_000);
  await refused;
  clearInterval(saying);
  // It is asked again and again: the outage may be short.
  expect(asked).toBeGreaterThan(5);
  asked = 0;
  answers.set('a', () => {
    asked += 1;
    return asked < 3 ? { error: 'no control can be reached', isOutage: true } : { error: null };
  });
  const prepared = live.prepare(spec);
  await vi.advanceTimersByTimeAsync(1_000);
  await prepared;
});

test('a push is refused in the time of the contract when NATS hangs while nodes compile, and at once without it', async () => {
  say('a');
  answers.set('a', () => new Promise(() => {}));
  let refusal: unknown = null;
  void live.prepare(spec).catch((error: unknown) => {
    refusal = error;
  });
  await vi.advanceTimersByTimeAsync(500);
  // The bus notices by then that its questions have no answers.
  const noticedMs = (busLimits.pingsMax + 1) * busLimits.pingMs;
  isConnected = false;
  await vi.advanceTimersByTimeAsync(outageLimits.pushRefusedMs - noticedMs);
  expect(refusal).toMatchObject({ code: 'unavailable', message: expect.stringContaining('NATS does not answer') });
  await expect(live.prepare(spec)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a push goes on when the connection is back soon', async () => {
  say('a');
  const a = Promise.withResolvers<Prepared>();
  answers.set('a', () => a.promise);
  const prepared = live.prepare(spec);
  await vi.advanceTimersByTimeAsync(500);
  isConnected = false;
  await vi.advanceTimersByTimeAsync(2 * busLimits.reconnectMs);
  isConnected = true;
  await vi.advanceTimersByTimeAsync(busLimits.leaseMs - liveNodeLimits.lookMs);
  a.resolve({ error: null });
  await prepared;
});

test('a push goes on without a node that reaches no control any more', async () => {
  say('a');
  say('b');
  answers.set('a', () => ({ error: null }));
  answers.set('b', () => ({ error: 'no control can be reached', isOutage: true }));
  const prepared = live.prepare(spec);
  await vi.advanceTimersByTimeAsync(1_000);
  say('b', { isStale: true });
  await vi.advanceTimersByTimeAsync(1_000);
  await prepared;
});

test('a spec that one node refuses is forgotten after all nodes have answered', async () => {
  say('a');
  say('b');
  const b = Promise.withResolvers<Prepared>();
  answers.set('a', () => ({ error: 'too many tables' }));
  answers.set('b', () => b.promise);
  const refused = expect(live.prepare(spec)).rejects.toMatchObject({ code: 'vet_failed' });
  await vi.advanceTimersByTimeAsync(1_000);
  // A node that heard it now would keep what it has begun to prepare.
  expect(commands).toEqual([]);
  b.resolve({ error: null });
  await refused;
  expect(commands).toEqual([{ command: 'forget', specId: 's' }]);
});

test('a push is told whether there is no node, or none that reaches a control', async () => {
  await expect(live.prepare(spec)).rejects.toMatchObject({ code: 'unavailable', message: 'no node serves' });
  say('a', { isStale: true });
  await expect(live.prepare(spec)).rejects.toMatchObject({
    ...{ code: 'unavailable', message: 'no node reaches a control', retryAfterSeconds: 5 },
    hints: ['nothing was changed; push again in a moment'],
  });
});

const inZone = (zone: string, replicas: number | null = null): DeploymentSpec =>
  ({
    specId: 's',
    handlerId: 'h',
    label: 'otter',
    placement: { replicas, labels: { zone } },
  }) as unknown as DeploymentSpec;

test('what a manifest asks of nodes decides which are asked, counted and called', async () => {
  known.add('c');
  say('a', { nodeLabels: { zone: 'eu' } });
  say('b', { nodeLabels: { zone: 'eu', disk: 'ssd' }, revision: 0 });
  say('c');
  const asked: string[] = [];
  for (const id of ['a', 'b', 'c'])
    answers.set(id, () => {
      asked.push(id);
      return { error: null };
    });
  await live.prepare(inZone('eu'));
  expect(asked.splice(0).sort()).toEqual(['a', 'b']);
  await live.prepare(inZone('eu', 1));
  expect(asked).toHaveLength(1);
  const placed = { handlerId: 'h', placement: { replicas: null, labels: { zone: 'eu' } } };
  expect(live.holding(placed)).toEqual({ serving: 2, wanted: 2 });
  expect(live.holding({ ...placed, placement: { ...placed.placement, replicas: 3 } })).toEqual({
    serving: 2,
    wanted: 3,
  });
  expect(new Set([live.pick(placed)?.id, live.pick(placed)?.id, live.pick(placed)?.id])).toEqual(new Set(['a', 'b']));
  // A node that reaches no control is called when there is no other.
  say('a', { nodeLabels: { zone: 'eu' }, isStale: true });
  expect([live.pick(placed)?.id, live.pick(placed)?.id]).toEqual(['b', 'b']);
  expect(live.holding(placed)).toEqual({ serving: 1, wanted: 2 });
  expect(live.pick({ ...placed, placement: { replicas: null, labels: { zone: 'mars' } } })).toBeNull();
});

test('a node at whose port nothing listens is called no more, until it says again that it lives', () => {
  say('a');
  say('b');
  live.refused('a');
  expect([live.pick()?.id, live.pick()?.id]).toEqual(['b', 'b']);
  // Of one replica the next node in order takes the place.
  const placed = { handlerId: handlerIdOf('h'), placement: { replicas: 1, labels: {} } };
  const holder = live.pick(placed)?.id;
  expect(holder).toBe('b');
  // Pushes count it until its lease ends.
  expect(live.list()).toHaveLength(2);
  say('a');
  expect(new Set([live.pick()?.id, live.pick()?.id])).toEqual(new Set(['a', 'b']));
  live.refused('a');
  live.refused('b');
  expect(new Set([live.pick()?.id, live.pick()?.id])).toEqual(new Set(['a', 'b']));
});

test('labels that no node has refuse a push, which is told what nodes have', async () => {
  say('a', { nodeLabels: { zone: 'eu', disk: 'ssd' } });
  say('b');
  await expect(live.prepare(inZone('mars'))).rejects.toMatchObject({
    code: 'unavailable',
    message: 'no node that lives has the labels that [placement] asks for: zone=mars',
    details: ['a: disk=ssd,zone=eu', 'b: no labels'],
    hints: [expect.stringContaining('nothing was changed')],
  });
  expect(commands).toEqual([]);
});

test('of two controls that want to profile a function at once one does', async () => {
  const other = control();
  const hearOther = hear;
  live.close();
  live = control();
  // Each node would refuse one of the two, and not the same one.
  const asked: string[] = [];
  const whole = await packProfile({ gas: 1, calls: 1, samples: 0, functions: [], nodes: [] }, 10_000);
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  for (const id of ['a', 'b'])
    profiled.set(id, async () => {
      asked.push(id);
      if (asked.filter((one) => one === id).length > 1)
        return { ok: false, code: 'conflict', message: 'this function is being profiled already' };
      await over;
      return { ok: true, profile: whole };
    });
  for (const id of ['a', 'b']) say(id);
  hear = hearOther;
  for (const id of ['b', 'a']) say(id);
  const handlerId = handlerIdOf('h');
  const first = live.profile(handlerId, 1_000);
  await expect(other.profile(handlerId, 1_000)).rejects.toMatchObject({ code: 'conflict' });
  expect(asked.toSorted()).toEqual(['a', 'b']);
  end();
  expect(await first).toMatchObject({ gas: 2, calls: 2 });
  other.close();
  // The next one is not refused, nor is one after a failure.
  expect(held.size).toBe(0);
  profiled.clear();
  await expect(live.profile(handlerId, 1_000)).rejects.toMatchObject({ code: 'unavailable' });
  expect(held.size).toBe(0);
});

test('a profile is the sum of what the nodes that serve have taken', async () => {
  const one: GasProfile = {
    gas: 10,
    calls: 1,
    samples: 2,
    functions: ['main', 'parse'],
    nodes: [
      [-1, 0, 4],
      [0, 1, 6],
    ],
  };
  const handlerId = handlerIdOf('h');
  await expect(live.profile(handlerId, 1_000)).rejects.toMatchObject({
    code: 'unavailable',
    message: 'no node serves',
  });
  known.add('c');
  for (const id of ['a', 'b', 'c']) say(id);
  // One of an earlier version gives no answer.
  await expect(live.profile(handlerId, 1_000)).rejects.toMatchObject({ code: 'unavailable' });
  profiled.set('a', async () => ({ ok: true, profile: await packProfile(one, 10_000) }));
  profiled.set('b', async () => ({ ok: true, profile: await packProfile(one, 10_000) }));
  expect(await live.profile(handlerId, 1_000)).toEqual({
    ...{ gas: 20, calls: 2, samples: 4, functions: ['main', 'parse'] },
    nodes: [
      [-1, 0, 8],
      [0, 1, 12],
    ],
  });
  // A node that sends something else has an empty one.
  profiled.set('b', () => ({ ok: true, profile: Uint8Array.of(1, 2, 3) }));
  expect(await live.profile(handlerId, 1_000)).toMatchObject({ gas: 10, calls: 1 });
  profiled.set('b', () => ({ ok: false, code: 'conflict', message: 'this function is being profiled already' }));
  await expect(live.profile(handlerId, 1_000)).rejects.toMatchObject({ code: 'conflict' });
});

test('a node that ends while it takes a profile is not waited for', async () => {
  say('a');
  profiled.set('a', () => new Promise(() => {}));
  const profile = live.profile(handlerIdOf('h'), 30_000);
  const failed = expect(profile).rejects.toMatchObject({ code: 'unavailable' });
  await vi.advanceTimersByTimeAsync(busLimits.leaseMs + 2 * liveNodeLimits.lookMs);
  await failed;
});
