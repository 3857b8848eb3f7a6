/**
 * Receives packs: each is taken whole, into memory or a file, before its push takes a turn, so that a slow client holds
 * a connection but no git process. Bounded in bytes per user and in all.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../protocol/errors.ts';
import { KIB } from '../../protocol/limits.ts';
import { ByteBudget } from '../../waiting/byte-budget.ts';
import { type GitBody, timedOut } from './git-body.ts';
import type { GitLimits } from './limits.ts';

/** Bytes read from a file at a time. */
const pieceBytes = 256 * KIB;

/** A pack that has arrived whole. */
export interface SpooledPack {
  /** Yields the pack's bytes from its beginning, once. */
  chunks(): AsyncGenerator<Buffer>;
  /** Releases memory, file and budget. Never rejects. */
  release(): Promise<void>;
}

export type SpoolLimits = Pick<
  GitLimits,
  'spoolBytes' | 'spoolBytesPerUser' | 'spoolMemoryBytes' | 'idleMs' | 'slowBytes' | 'receiveMs'
>;

export class PackSpool {
  readonly #folder: string;
  readonly #limits: SpoolLimits;
  readonly #all: ByteBudget;
  readonly #byUser = new Map<string, ByteBudget>();

  /**
   * Makes an empty spool. `folder`: place of the files, on the file system of the repositories; created when needed.
   */
  constructor(folder: string, limits: SpoolLimits) {
    this.#folder = folder;
    this.#limits = limits;
    this.#all = new ByteBudget(limits.spoolBytes);
  }

  /** Bytes held by all packs. */
  get held(): number {
    return this.#all.held;
  }

  /**
   * Receives `first` and the rest of `body`. Throws `request_timeout` when less than `slowBytes` arrive in `idleMs`, or
   * not all in `receiveMs`; `overloaded` when a budget is used up; errors of `body` and of the file system.
   */
  async receive(body: GitBody, first: Buffer, userId: string): Promise<SpooledPack> {
    const pack = new Pack(this.#folder, this.#limits.spoolMemoryBytes);
    const release = async () => {
      this.#give(userId, pack.bytes);
      await pack.close();
    };
    try {
      for await (const chunk of this.#arriving(body, first)) {
        this.#take(userId, chunk.length);
        await pack.add(chunk);
      }
    } catch (error) {
      await release();
      throw error;
    }
    return { chunks: () => pack.chunks(), release };
  }

  async *#arriving(body: GitBody, first: Buffer): AsyncGenerator<Buffer> {
    const { idleMs, slowBytes, receiveMs } = this.#limits;
    if (first.length > 0) yield first;
    const endMs = performance.now() + receiveMs;
    let windowEndMs = performance.now() + idleMs;
    let windowBytes = 0;
    for (;;) {
      const nowMs = performance.now();
      if (nowMs >= endMs) throw timedOut();
      if (nowMs >= windowEndMs) {
        if (windowBytes < slowBytes) throw timedOut();
        windowEndMs = nowMs + idleMs;
        windowBytes = 0;
      }
      const chunk = await body.readWithin(Math.min(windowEndMs, endMs) - nowMs);
      if (chunk === 'late') continue;
      if (chunk === null) return;
      windowBytes += chunk.length;
      yield chunk;
    }
  }

  #take(userId: string, bytes: number): void {
    let mine = this.#byUser.get(userId);
    if (mine === undefined) {
      mine = new ByteBudget(this.#limits.spoolBytesPerUser);
      this.#byUser.set(userId, mine);
    }
    if (!mine.take(bytes)) throw tooMuch('you push too much at once');
    if (this.#all.take(bytes)) return;
    mine.give(bytes);
    throw tooMuch('too much is being pushed at once');
  }

  #give(userId: string, bytes: number): void {
    const mine = this.#byUser.get(userId);
    mine?.give(bytes);
    if (mine?.held === 0) this.#byUser.delete(userId);
    this.#all.give(bytes);
  }
}

class Pack {
  readonly #folder: string;
  /** Bytes that are kept in memory; a larger pack goes into a file. */
  readonly #memoryMax: number;
  #chunks: Buffer[] = [];
  #file: FileHandle | null = null;
  /** Bytes received so far. */
  bytes = 0;

  constructor(folder: string, memoryMax: number) {
    this.#folder = folder;
    this.#memoryMax = memoryMax;
  }

  async add(chunk: Buffer): Promise<void> {
    this.bytes += chunk.length;
    if (this.#file === null && this.bytes <= this.#memoryMax) {
      this.#chunks.push(chunk);
      return;
    }
    this.#file ??= await this.#open();
    const chunks = [...this.#chunks, chunk];
    this.#chunks = [];
    for (const bytes of chunks) await writeAll(this.#file, bytes);
  }

  async *chunks(): AsyncGenerator<Buffer> {
    yield* this.#chunks;
    if (this.#file === null) return;
    for (let at = 0; at < this.bytes; ) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, at);
      if (bytesRead === 0) throw new Error('a pack that was received cannot be read again');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    this.#chunks = [];
    await this.#file?.close().catch(() => {});
  }

  /** Opens a file and removes its name, so that it disappears with the process. */
  async #open(): Promise<FileHandle> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, randomBytes(12).toString('hex'));
    const file = await open(path, 'wx+', 0o600);
    await rm(path);
    return file;
  }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

function tooMuch(message: string): PlatformError {
  return new PlatformError('overloaded', message, {
    hints: ['push again when the other pushes are done'],
    retryAfterSeconds: 30,
  });
}
