/** Decodes canonical functions and their options. */
import type { DefinitionReader } from './definition-reader.ts';
import type { Canon, CanonOptions, PlainOperation, StreamOperation } from './model.ts';
import { unsupportedComponent } from './refusals.ts';
import { type TextEncoding, textEncodings } from './wit.ts';

/** Reads a canonical function. Throws `module_unsupported` for one of a proposal that is not finished. */
export function readCanon(reader: DefinitionReader): Canon {
  const offset = reader.pos;
  const code = reader.u8('canonical function');
  const zero = (): void => {
    if (reader.u8('0x00') !== 0) reader.fail('0x00 was expected', reader.pos - 1);
  };
  const flag = (what: string): boolean => {
    const value = reader.u8(what);
    if (value > 1) reader.fail(`invalid ${what} 0x${value.toString(16)}`, reader.pos - 1);
    return value === 1;
  };
  /**
   * Waits have had this option in earlier versions of the specification; callbacks alone are told of a cancellation.
   */
  const checkNotCancellable = (): void => {
    if (flag('cancellable')) throw unsupportedComponent(reader.subject, `the option cancellable (@+${offset})`);
  };
  const plain = plainOf[code];
  if (plain !== undefined) {
    if (plain === 'subtask.cancel') return { op: plain, async: flag('async') };
    if (plain === 'thread.yield') checkNotCancellable();
    return { op: plain };
  }
  const stream = streamOf[code];
  if (stream !== undefined) {
    const type = reader.u32('type index');
    const takesOptions = /\.(read|write)$/.test(stream);
    const isCancel = stream.includes('cancel');
    const async = isCancel && flag('async');
    return { op: stream, type, options: takesOptions ? readOptions(reader, 'other') : null, async };
  }
  switch (code) {
    case 0x00: {
      zero();
      const func = reader.u32('function index');
      const options = readOptions(reader, 'lift');
      return { op: 'lift', func, options, type: reader.u32('type index') };
    }
    case 0x01:
      zero();
      return { op: 'lower', func: reader.u32('function index'), options: readOptions(reader, 'lower') };
    case 0x02:
      return { op: 'resource.new', type: reader.u32('type index') };
    case 0x03:
      return { op: 'resource.drop', type: reader.u32('type index') };
    case 0x04:
      return { op: 'resource.rep', type: reader.u32('type index') };
    case 0x09: {
      const named = reader.u8('result');
      if (named > 1) reader.fail(`invalid result 0x${named.toString(16)}`, reader.pos - 1);
      if (named === 1) zero();
      return {
        op: 'task.return',
        result: named === 0 ? reader.typeRef() : null,
        options: readOptions(reader, 'other'),
      };
    }
    case 0x0a:
    case 0x0b:
      switch (reader.u8('type')) {
        case 0x7f:
          break;
        case 0x7e:
          throw unsupportedComponent(reader.subject, `contexts of 64 bits (@+${offset})`);
        default:
          reader.fail('a context that is no i32', reader.pos - 1);
      }
      return { op: code === 0x0a ? 'context.get' : 'context.set', slot: reader.u32('slot') };
    case 0x1c:
      return { op: 'error-context.new', options: readOptions(reader, 'other') };
    case 0x1d:
      return { op: 'error-context.debug-message', options: readOptions(reader, 'other') };
    case 0x20:
    case 0x21:
      checkNotCancellable();
      return { op: code === 0x20 ? 'waitable-set.wait' : 'waitable-set.poll', memory: reader.u32('memory index') };
    default:
      throw unsupportedComponent(
        reader.subject,
        `${refused[code] ?? `canonical function 0x${code.toString(16)}`} (@+${offset})`,
      );
  }
}

/** Reads the options of a canonical function. Each may be there once; `of` says which may be there. */
function readOptions(reader: DefinitionReader, of: 'lift' | 'lower' | 'other'): CanonOptions {
  const seen = new Set<number>();
  const options = {
    encoding: 'utf8' as TextEncoding,
    memory: null as number | null,
    realloc: null as number | null,
    postReturn: null as number | null,
    async: false,
    callback: null as number | null,
  };
  reader.list('options', () => {
    const option = reader.u8('option');
    const slot = Math.max(option, 2);
    if (seen.has(slot)) reader.fail('an option of a canonical function is there twice', reader.pos - 1);
    seen.add(slot);
    if ((option === 5 || option === 7) && of !== 'lift')
      reader.fail(`${option === 5 ? 'post-return' : 'callback'} of a function that is not lifted`, reader.pos - 1);
    if (option <= 2) options.encoding = textEncodings[option] ?? 'utf8';
    else if (option === 3) options.memory = reader.u32('memory index');
    else if (option === 4) options.realloc = reader.u32('function index');
    else if (option === 5) options.postReturn = reader.u32('function index');
    else if (option === 6) options.async = true;
    else if (option === 7) options.callback = reader.u32('function index');
    else reader.fail(`invalid option 0x${option.toString(16)} of a canonical function`, reader.pos - 1);
  });
  if (options.realloc !== null && options.memory === null) reader.fail('the option realloc without a memory');
  if (options.callback !== null && !options.async) reader.fail('the option callback without async');
  if (options.postReturn !== null && options.async) reader.fail('the options post-return and async together');
  return options;
}

/** Canonical functions that have nothing but a name, by their codes. */
const plainOf: Readonly<Record<number, PlainOperation | 'subtask.cancel'>> = {
  5: 'task.cancel',
  6: 'subtask.cancel',
  8: 'backpressure.set',
  12: 'thread.yield',
  13: 'subtask.drop',
  30: 'error-context.drop',
  31: 'waitable-set.new',
  34: 'waitable-set.drop',
  35: 'waitable.join',
  36: 'backpressure.inc',
  37: 'backpressure.dec',
};

/** Canonical functions of proposals that are not finished, by their codes. */
const refused: Readonly<Record<number, string>> = {
  7: 'resource.drop async',
  38: 'thread.index',
  39: 'thread.new-indirect',
  40: 'thread.resume-later',
  41: 'thread.suspend',
  42: 'thread.suspend-then-resume',
  43: 'thread.yield-then-resume',
  44: 'thread.suspend-then-promote',
  45: 'thread.yield-then-promote',
  46: 'stream.forward',
  47: 'future.forward',
  64: 'thread.spawn-ref',
  65: 'thread.spawn-indirect',
  66: 'thread.available_parallelism',
};

/** Functions of streams and futures by their codes. */
const streamOf: Readonly<Record<number, StreamOperation>> = Object.fromEntries(
  (['stream', 'future'] as const).flatMap((kind, index) =>
    (['new', 'read', 'write', 'cancel-read', 'cancel-write', 'drop-readable', 'drop-writable'] as const).map(
      (operation, place) => [0x0e + 7 * index + place, `${kind}.${operation}` as const],
    ),
  ),
);
