/** Gas profiles as they go over the bus. */

import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { packProfile, unpackProfile } from '../../src/bus/profiles.ts';
import { emptyProfile, type GasNode, type GasProfile, gasProfileLimits } from '../../src/protocol/gas-profile.ts';
import { randomOf } from '../support/random.ts';

/** A profile that hardly compresses. */
function large(): GasProfile {
  const random = randomOf(7);
  const name = () => randomBytes(gasProfileLimits.nameChars / 2).toString('hex');
  const functions = Array.from({ length: gasProfileLimits.nodes }, name);
  const nodes = functions.map((_, at): GasNode => [random(at + 1) - 1, at, 5]);
  return { gas: nodes.length * 5, calls: 1, samples: nodes.length, functions, nodes };
}

test('one that is too large for a message keeps all its gas, with fewer contexts', async () => {
  const profile = large();
  expect(await unpackProfile(await packProfile(profile, 1e9))).toEqual(profile);
  const packed = await packProfile(profile, 1_000_000);
  expect(packed.length).toBeLessThanOrEqual(1_000_000);
  const { gas, nodes } = await unpackProfile(packed);
  expect(nodes.length).toBeLessThan(profile.nodes.length);
  expect(nodes.length).toBeGreaterThan(100);
  expect(nodes.reduce((sum, [, , own]) => sum + own, 0)).toBe(gas);
});

test('an empty one comes whole, and other bytes are one', async () => {
  expect(await unpackProfile(await packProfile(emptyProfile, 10))).toEqual(emptyProfile);
  for (const bytes of [
    Uint8Array.of(),
    Uint8Array.of(0x1f, 0x8b),
    gzipSync('{'),
    gzipSync('{"gas":-1}'),
    gzipSync(' '.repeat(3e7)),
  ])
    expect(await unpackProfile(bytes)).toEqual(emptyProfile);
});
