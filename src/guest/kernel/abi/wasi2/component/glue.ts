/**
 * trisiel:component/glue: functions that the linker's code calls after a host function whose result has lists. No
 * component imports them: the linker writes
 * `loop { n = next-allocation(); if (n == 0) break; put(realloc(…)) }`.
 */
import { isUtf8 } from 'node:buffer';
import { MIB } from '../../../../../protocol/limits.ts';
import { func, type TextEncoding, textEncodings } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import { decodeText, encodeText, textBytes } from '../../../canonical/text.ts';
import { GuestFault } from '../../../memory.ts';
import type { Process } from '../../../process.ts';

/** Options of what code of the linker calls around `realloc`. */
const inRealloc = { inRealloc: true } as const;

/**
 * Returns the next allocation for the host: bytes × 8 + log2 of the alignment × 2 + 1. Returns 0 if none is left.
 */
const nextAllocation = witRow(
  'next-allocation',
  func({}, 'u32'),
  (guest: Process) => guest.component.allocations.next(),
  inRealloc,
);

/**
 * Returns the next allocation for code of an earlier linker, which allocates no empty lists: bytes × 4 + log2 of the
 * alignment. Returns 0 if none is left.
 */
const next = witRow('next', func({}, 'u32'), (guest: Process) => guest.component.allocations.nextBefore12(), inRealloc);

/**
 * Takes the pointer to the allocation that next-allocation has returned. Traps if it lies outside of the memory, or is
 * not aligned.
 */
const put = witRow(
  'put',
  func({ pointer: 'u32' }),
  (guest: Process, pointer: number) => {
    guest.component.allocations.put(guest.memory, pointer);
  },
  inRealloc,
);

/**
 * Says which part of a composed component makes the next call: component instance `owner`, whose memory is the `bytes`
 * bytes from `base` on. 2^32 - 1 bytes: the whole memory.
 */
const select = witRow(
  'select',
  func({ owner: 'u32', base: 'u32', bytes: 'u32' }),
  (guest: Process, owner: number, base: number, bytes: number) => {
    guest.component.handles.owner = owner;
    guest.memory.select(bytes === wholeMemory ? null : { base, bytes });
  },
  inRealloc,
);
const wholeMemory = 0xffff_ffff;

/** Traps unless the text of `length` bytes at `pointer` in the whole memory is UTF-8. */
const text = witRow(
  'text',
  func({ pointer: 'u32', length: 'u32' }),
  (guest: Process, pointer: number, length: number) => {
    guest.work(length);
    guest.memory.select(null);
    if (!isUtf8(guest.memory.bytes(pointer, length))) throw new GuestFault('a string that is not UTF-8');
  },
);

/** Sets the encoding of strings in the calls that follow: 0 UTF-8, 1 UTF-16, 2 Latin-1 or UTF-16. */
const encode = witRow('encode', func({ encoding: 'u32' }), (guest: Process, encoding: number) => {
  guest.component.encoding = encodingOf(encoding);
});

function encodingOf(number: number): TextEncoding {
  const encoding = textEncodings[number];
  if (encoding === undefined) throw new GuestFault(`no encoding of text has the number ${number}`);
  return encoding;
}

/** Most bytes of a text that changes its encoding, before and after. The host makes a copy of it. */
const transcodedBytesMax = 16 * MIB;

/**
 * Changes the encoding of the text of `length` code units at `pointer` in the whole memory. Returns the bytes that it
 * takes in encoding `to`. Traps for a text that is not in encoding `from`, and for one of more than 16 MiB in either
 * encoding.
 */
const transcode = witRow(
  'transcode',
  func({ pointer: 'u32', length: 'u32', from: 'u32', to: 'u32' }, 'u32'),
  (guest: Process, pointer: number, length: number, from: number, to: number) => {
    const { component, memory } = guest;
    const encoding = encodingOf(from);
    const count = textBytes(length, encoding);
    checkTranscoded(count);
    guest.work(count);
    memory.select(null);
    const text = encodeText(decodeText(memory.bytes(pointer, count), length, encoding), encodingOf(to));
    checkTranscoded(text.bytes.length);
    component.transcoded = text;
    return text.bytes.length;
  },
);

function checkTranscoded(bytes: number): void {
  if (bytes > transcodedBytesMax)
    throw new GuestFault(`a string of ${bytes} bytes, at most ${transcodedBytesMax} change their encoding`);
}

/**
 * Writes the text of the last call of `transcode` to `pointer` in the whole memory. Returns its number of code units.
 */
const transcoded = witRow('transcoded', func({ pointer: 'u32' }, 'u32'), (guest: Process, pointer: number) => {
  const { component, memory } = guest;
  const text = component.transcoded;
  if (text === null) throw new GuestFault('no text has changed its encoding');
  component.transcoded = null;
  guest.work(text.bytes.length);
  memory.select(null);
  memory.put(pointer, text.bytes);
  return text.length;
});

export const linkerGlue = witInterface('wasi2', 'trisiel:component/glue', [
  nextAllocation,
  next,
  put,
  select,
  text,
  encode,
  transcode,
  transcoded,
]);
