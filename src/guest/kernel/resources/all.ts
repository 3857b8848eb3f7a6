/** Lists the schemes that need nothing but a Process and its services; those of the network are in network.ts. */
import type { Scheme } from '../process.ts';
import { fileScheme } from './file.ts';
import { kvScheme } from './kv.ts';
import { logScheme } from './log.ts';
import { metaScheme } from './meta.ts';
import { nullScheme } from './null.ts';
import { queueScheme } from './queue.ts';
import { randomScheme } from './random.ts';
import { timeScheme } from './time.ts';
import { zeroScheme } from './zero.ts';

export const localSchemes: readonly Scheme[] = [
  nullScheme,
  zeroScheme,
  randomScheme,
  logScheme,
  timeScheme,
  metaScheme,
  kvScheme,
  queueScheme,
  fileScheme,
];
