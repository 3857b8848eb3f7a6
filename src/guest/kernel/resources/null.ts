/** Opens `null:`: reads return 0 bytes, as a success; written bytes are dropped. */
import type { Scheme } from '../process.ts';
import type { Resource } from '../resource.ts';

export const nullResource: Resource = {
  scheme: 'null',
  read: () => 0,
  write: (bytes) => bytes.length,
  flush: () => 0,
  close: () => 0,
};

export const nullScheme: Scheme = { names: ['null'], open: () => ({ ...nullResource }) };
