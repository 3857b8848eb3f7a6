/** Reads the files that commands send: messages to import, the body of one message. `-` is standard input. */
import { type FileHandle, open } from 'node:fs/promises';
import process from 'node:process';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { PlatformError } from '../../src/protocol/errors.ts';

/**
 * Hands the bytes of a file to `send`, decompressed where its name ends in .gz or .zst. Throws `bad_request` where it
 * cannot be read, also in the middle, and the errors of `send`.
 */
export async function sendFile<Result>(
  path: string,
  send: (bytes: AsyncIterable<Uint8Array>) => Promise<Result>,
): Promise<Result> {
  return reading(path, decompressed(path, await streamOf(path)), send);
}

/**
 * Returns the bytes of a file as they are. Throws `bad_request` where it cannot be read or has more than `bytesMax`
 * bytes.
 */
export async function readInput(path: string, bytesMax: number): Promise<Buffer> {
  return reading(path, await streamOf(path), async (bytes) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of bytes) {
      length += chunk.length;
      if (length > bytesMax) throw new PlatformError('bad_request', `${named(path)} has more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  });
}

async function reading<Result>(
  path: string,
  source: Readable,
  send: (bytes: AsyncIterable<Uint8Array>) => Promise<Result>,
): Promise<Result> {
  let failure: PlatformError | null = null;
  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      failure = unreadable(path, error);
      throw failure;
    }
  }
  try {
    return await send(read());
  } catch (error) {
    // `send` sees the failure as one of its connection.
    throw failure ?? error;
  } finally {
    source.destroy();
  }
}

async function streamOf(path: string): Promise<Readable> {
  if (path === '-') return process.stdin;
  let file: FileHandle | null = null;
  try {
    file = await open(path);
    if ((await file.stat()).isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  } catch (error) {
    await file?.close();
    throw unreadable(path, error);
  }
  return file.createReadStream();
}

function decompressed(path: string, bytes: Readable): Readable {
  const decompress = path.endsWith('.gz') ? createGunzip() : path.endsWith('.zst') ? createZstdDecompress() : null;
  // Who reads the stream gets its errors.
  return decompress === null ? bytes : pipeline(bytes, decompress, () => {});
}

function unreadable(path: string, error: unknown): PlatformError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new PlatformError('bad_request', `${named(path)} cannot be read (${code})`, { cause: error });
}

function named(path: string): string {
  return path === '-' ? 'standard input' : path;
}
