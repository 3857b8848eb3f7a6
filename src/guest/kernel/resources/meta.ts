/**
 * Opens `meta://NAME`: a fact that a guest may know about itself, as text. The value is that of the time of opening. It
 * is read once; after it comes the end.
 */
import { nameOfRuntime } from '../abi/cwa/runtime.ts';
import { Errno } from '../errno.ts';
import { utf8 } from '../memory.ts';
import type { Process, Scheme } from '../process.ts';
import { ValueReader } from './value-reader.ts';

const values: Readonly<Record<string, (guest: Process) => string | number>> = {
  'handler/name': ({ options }) => options.identity.handler,
  'deployment/number': ({ options }) => options.identity.deployment,
  'deployment/commit': ({ options }) => options.identity.commit,
  'invocation/id': ({ options }) => options.identity.invocation,
  'runtime/name': () => nameOfRuntime,
  'gas/used': ({ meter }) => meter.used,
  'gas/limit': ({ meter }) => meter.limit,
};

export const metaScheme: Scheme = {
  names: ['meta'],
  open: (url, guest) => {
    const name = /^meta:(?:\/\/)?(.*)$/i.exec(url)?.[1] ?? '';
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return Errno.notFound;
    const reader = new ValueReader(utf8(String(value(guest))));
    return {
      scheme: 'meta',
      read: (into) => reader.read(into),
      write: () => Errno.notSupported,
      flush: () => 0,
      close: () => 0,
    };
  },
};
