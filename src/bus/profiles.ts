/** Gas profiles on the bus: compressed, and small enough for one message. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { emptyProfile, type GasProfile, plausibleProfile, sumOfProfiles } from '../protocol/gas-profile.ts';

/** Bytes of a profile's JSON: as many contexts and names as one may have take less. */
const jsonBytesMax = 16 * 1024 * 1024;

/**
 * Returns a profile in at most `bytesMax` bytes; of a larger one the gas of the last contexts counts for their callers.
 */
export async function packProfile(profile: GasProfile, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  for (let nodesMax = profile.nodes.length; ; nodesMax = Math.floor(nodesMax / 2)) {
    const kept = nodesMax === profile.nodes.length ? profile : sumOfProfiles([profile], Math.max(1, nodesMax));
    const packed = await promisify(gzip)(JSON.stringify(kept));
    if (packed.length <= bytesMax || nodesMax <= 1) return packed;
  }
}

/** Returns the profile that a node has packed; an empty one for other bytes. */
export async function unpackProfile(packed: Uint8Array): Promise<GasProfile> {
  try {
    const json = await promisify(gunzip)(packed, { maxOutputLength: jsonBytesMax });
    return plausibleProfile(JSON.parse(json.toString())) ?? emptyProfile;
  } catch {
    return emptyProfile;
  }
}
