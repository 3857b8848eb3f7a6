/** Bytes of Artifacts on their way to a runner. */
import type { ArtifactPart } from '../../protocol/messages.ts';
import { fleetLimits } from './limits.ts';

/**
 * Hands `bytes` to `send` in parts, each after the promise of the one before: neither event loop is held for longer
 * than one part, and other messages are not behind all of them.
 */
export async function sendParts(bytes: Uint8Array, send: (part: ArtifactPart) => Promise<void>): Promise<void> {
  const totalBytes = bytes.length;
  for (let offset = 0; offset < totalBytes; offset += fleetLimits.partBytes)
    await send({ offset, totalBytes, bytes: bytes.subarray(offset, offset + fleetLimits.partBytes) });
}
