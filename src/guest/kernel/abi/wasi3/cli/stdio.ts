/** wasi:cli/stdin, stdout and stderr: the standard streams. The end of a stream leaves it open for the host. */
import { enumeration, func, future, result, stream, tuple } from '../../../../component/wit.ts';
import type { Readable } from '../../../canonical/async/shared.ts';
import { err, ok, witInterface, witRow } from '../../../canonical/row.ts';
import { Errno } from '../../../errno.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { pump } from '../pump.ts';
import { readingFrom, resultOf } from '../streams.ts';

const errorCodeType = enumeration('io', 'illegal-byte-sequence', 'pipe');
const resultType = result(null, errorCodeType);

function resultFrom(errno: number) {
  return errno === 0 ? ok() : err(errno === Errno.closed ? 'pipe' : 'io');
}

/** Returns a stream of the standard input and its result. All such streams read from one place. */
const readViaStream = witRow('read-via-stream', func({}, tuple(stream('u8'), future(resultType))), (guest: Process) => {
  const { stream: read, ended } = readingFrom(guest, guest.options.stdin);
  return [read, resultOf(guest, resultType, ended.then(resultFrom), { isAwaited: false })];
});

const write = func({ data: stream('u8') }, future(resultType));

function writeTo(guest: Process, data: Readable, to: Resource) {
  const written = pump(guest, data, to.scheme, (bytes) => to.write(bytes)).then(async (errno) => {
    if (errno === 0) return resultFrom(await to.flush());
    return resultFrom(errno);
  });
  return resultOf(guest, resultType, written);
}

/** Writes all bytes of `data` to the standard output. Returns the result. */
const writeViaStream = witRow('write-via-stream', write, (guest: Process, data: Readable) =>
  writeTo(guest, data, guest.options.stdout),
);

/** Writes all bytes of `data` to the standard error. Returns the result. */
const errorViaStream = witRow('write-via-stream', write, (guest: Process, data: Readable) =>
  writeTo(guest, data, guest.options.stderr),
);

export const stdin = witInterface('wasi3', 'wasi:cli/stdin@0.3', [readViaStream]);
export const stdout = witInterface('wasi3', 'wasi:cli/stdout@0.3', [writeViaStream]);
export const stderr = witInterface('wasi3', 'wasi:cli/stderr@0.3', [errorViaStream]);
