import { expect, it } from 'vitest';
import { FairPlaces } from '../../src/waiting/fair-places.ts';

/** Takes as many places as the owner may have; returns how many it holds then. */
function fill(places: FairPlaces, owner: string): number {
  while (places.room(owner) > 0) places.take(owner, 1);
  return places.heldBy(owner);
}

it('one owner alone gets half of the places; each further one finds its part of the rest', () => {
  const places = new FairPlaces(256);
  expect(fill(places, 'a')).toBe(128);
  expect(fill(places, 'b')).toBe(64);
  expect(fill(places, 'c')).toBe(32);
  for (const owner of ['d', 'e', 'f', 'g', 'h']) expect(fill(places, owner)).toBeGreaterThan(0);
  expect(places.held).toBe(255);
});

it('owners that take turns get equal parts', () => {
  const places = new FairPlaces(256);
  const owners = ['a', 'b', 'c'];
  while (owners.some((owner) => places.room(owner) > 0))
    for (const owner of owners) if (places.room(owner) > 0) places.take(owner, 1);
  expect(owners.map((owner) => places.heldBy(owner))).toEqual([64, 64, 64]);
});

it('as many as there is room for can be taken at once, and no more', () => {
  for (let size = 1; size < 20; size += 1) {
    const one = new FairPlaces(size);
    const room = one.room('a');
    const other = new FairPlaces(size);
    expect(room).toBe(fill(other, 'a'));
    one.take('a', room);
    expect(one.room('a')).toBe(0);
    expect(() => one.take('a', 1)).toThrow();
  }
});

it('places that are given back are there for all; no more than are held can be', () => {
  const places = new FairPlaces(4);
  places.take('a', 2);
  places.take('b', 1);
  expect(places.room('b')).toBe(0);
  places.give('a', 2);
  expect(places.room('b')).toBe(1);
  expect(places.heldBy('a')).toBe(0);
  expect(() => places.give('a', 1)).toThrow();
});
