/** Lists the schemes that need only a Process and its services; network.ts makes those of the network. */
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
