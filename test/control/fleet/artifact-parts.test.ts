import { expect, it } from 'vitest';
import { sendParts } from '../../../src/control/fleet/artifact-parts.ts';
import { fleetLimits } from '../../../src/control/fleet/limits.ts';
import type { ArtifactPart } from '../../../src/protocol/messages.ts';

it('bytes of an Artifact go in parts, each after the one before has been written', async () => {
  const { partBytes } = fleetLimits;
  const bytes = Uint8Array.from({ length: 2 * partBytes + 3 }, (_, n) => n % 251);
  const sent: { readonly part: ArtifactPart; readonly written: () => void }[] = [];
  const done = sendParts(bytes, (part) => new Promise((written) => sent.push({ part, written })));
  const got = new Uint8Array(bytes.length);
  for (const length of [partBytes, partBytes, 3]) {
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toHaveLength(1);
    const [{ part, written }] = sent.splice(0) as [(typeof sent)[number]];
    expect([part.bytes.length, part.totalBytes]).toEqual([length, bytes.length]);
    got.set(part.bytes, part.offset);
    written();
  }
  await done;
  expect(got).toEqual(bytes);
});
