/** Writes a gas profile into a file, and says what is in it. */
import { writeFile } from 'node:fs/promises';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';
import type { GasProfile } from '../../src/protocol/gas-profile.ts';
import { flameGraph } from '../text/flame-graph.ts';
import { formatCount } from '../text/format.ts';
import { foldedStacks, profileTree } from '../text/gas-profile.ts';
import { visible } from '../text/visible.ts';

/**
 * Writes `file`: a flame graph if its name ends in `.svg`, else folded stacks. Returns lines for people. Throws
 * `bad_request` if it cannot be written.
 */
export async function writeProfile(file: string, of: string, profile: GasProfile): Promise<readonly string[]> {
  const root = profileTree(profile);
  const isGraph = file.toLowerCase().endsWith('.svg');
  const title = `${visible(of)}: ${formatCount(profile.gas)} gas`;
  const text = isGraph
    ? flameGraph(root, title)
    : foldedStacks(root)
        .map((line) => `${line}\n`)
        .join('');
  await writeFile(file, text).catch((error: unknown) => {
    const reason = messageOf(error);
    throw new PlatformError('bad_request', `the profile could not be written: ${reason}`);
  });
  if (profile.samples === 0) return [`profile: ${visible(file)} is empty: too little gas was used for a stack`];
  return [`profile: ${isGraph ? 'flame graph' : 'folded stacks'} of ${profile.samples} stacks in ${visible(file)}`];
}
