/** Opens `null:`: reads give 0 bytes, as a success; writes are taken and dropped. */
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
