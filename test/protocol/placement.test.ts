/** Which nodes hold a function: the properties that nodes and controls rely on, each of which computes it alone. */
import { expect, test } from 'vitest';
import { holdersOf, labelsText, type NodePlacement, type PlaceableNode } from '../../src/protocol/placement.ts';
import { randomOf } from '../support/random.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
console.log(`SEED=${seed}`);
const random = randomOf(seed);

const idOf = (prefix: string): string => `${prefix}_${random(2 ** 31).toString(36)}${random(2 ** 31).toString(36)}`;
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const nodesOf = (count: number) =>
  many(count, (index) => ({ id: idOf('n'), labels: { zone: index % 2 === 0 ? 'eu' : 'us' } }));
const anywhere = (replicas: number | null): NodePlacement => ({ replicas, labels: {} });
const idsOf = (handlerId: string, placement: NodePlacement, nodes: ReturnType<typeof nodesOf>): readonly string[] =>
  holdersOf({ handlerId, placement }, nodes).map(({ id }) => id);

test('the order in which nodes are known does not matter, and asking for fewer keeps the first ones', () => {
  for (let round = 0; round < 200; round += 1) {
    const nodes = nodesOf(1 + random(20));
    const handlerId = idOf('h');
    const all = idsOf(handlerId, anywhere(null), nodes);
    expect([...all].sort()).toEqual(nodes.map(({ id }) => id).sort());
    const shuffled = [...nodes].sort(() => random(3) - 1).reverse();
    const replicas = 1 + random(25);
    expect(idsOf(handlerId, anywhere(replicas), shuffled)).toEqual(all.slice(0, replicas));
  }
});

test('a node that goes moves only functions of its own, to one other node each; one that comes only takes', () => {
  for (let round = 0; round < 20; round += 1) {
    const nodes = nodesOf(2 + random(20));
    const gone = nodes[random(nodes.length)]!;
    const left = nodes.filter((node) => node !== gone);
    const replicas = 1 + random(4);
    for (const handlerId of many(200, () => idOf('h'))) {
      const before = idsOf(handlerId, anywhere(replicas), nodes);
      const after = idsOf(handlerId, anywhere(replicas), left);
      const stayed = before.filter((id) => id !== gone.id);
      expect(after.slice(0, stayed.length)).toEqual(stayed);
      expect(after.length - stayed.length).toBeLessThanOrEqual(before.includes(gone.id) ? 1 : 0);
    }
  }
});

test('functions are spread evenly, also over nodes and functions whose ids differ in a digit', () => {
  for (const nodes of [nodesOf(10), many(10, (index) => ({ id: `node-${index}`, labels: { zone: 'eu' } }))]) {
    const counts = new Map(nodes.map(({ id }) => [id, 0]));
    for (let index = 0; index < 10_000; index += 1)
      for (const id of idsOf(`handler-${index}`, anywhere(3), nodes)) counts.set(id, counts.get(id)! + 1);
    // 3,000 each; the standard deviation is 46.
    for (const [id, count] of counts) expect(Math.abs(count - 3_000), id).toBeLessThan(300);
  }
});

test('a holder has all labels that are asked for, with their values', () => {
  const nodes: readonly PlaceableNode[] = [
    { id: 'a', labels: { zone: 'eu', disk: 'ssd' } },
    { id: 'b', labels: { zone: 'eu' } },
    { id: 'c', labels: { zone: 'us', disk: 'ssd' } },
    { id: 'd', labels: {} },
  ];
  const holders = (labels: Record<string, string>, replicas: number | null = null): readonly string[] =>
    holdersOf({ handlerId: 'h', placement: { replicas, labels } }, nodes)
      .map(({ id }) => id)
      .sort();
  expect(holders({ zone: 'eu' })).toEqual(['a', 'b']);
  expect(holders({ zone: 'eu', disk: 'ssd' })).toEqual(['a']);
  expect(holders({ zone: 'mars' })).toEqual([]);
  expect(holders({ constructor: 'eu' })).toEqual([]);
  expect(holders({ zone: 'eu' }, 5)).toEqual(['a', 'b']);
  expect(labelsText({ zone: 'eu', disk: 'ssd' })).toBe('disk=ssd,zone=eu');
});
