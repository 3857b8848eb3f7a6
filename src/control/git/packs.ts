/**
 * Packs the objects of a push for other controls, and stores packs of them, by git's own pack-objects and index-pack.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PlatformError } from '../../protocol/errors.ts';

/** Milliseconds that git may take over one pack of the largest size. */
const packMsMax = 5 * 60_000;
/** Bytes kept of git's stderr, for the message of a failure. */
const stderrBytesMax = 2_048;
/** Bytes of the head of a pack: signature, version, number of objects (gitformat-pack(5)). */
const headBytes = 12;

export interface PackOptions {
  /** Path of the repository. */
  readonly repository: string;
  /** Environment of git. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A pack in a file. */
export interface PackFile {
  /** SHA-256 of the bytes, hex. */
  readonly sha256: string;
  readonly objects: number;
  /** Reads the bytes, once. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Removes the file. Never rejects. */
  remove(): Promise<void>;
}

/**
 * Writes all objects that `wanted` reach and `excluded` do not into a file of `folder`, in constant memory. A delta may
 * refer to an object that `excluded` reach. Throws `unavailable` when git fails.
 */
export async function writePack(
  options: PackOptions & {
    readonly folder: string;
    /** Object ids. */
    readonly wanted: readonly string[];
    readonly excluded: readonly string[];
  },
): Promise<PackFile> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const path = join(options.folder, randomBytes(12).toString('hex'));
  const remove = () => rm(path, { force: true }).catch(() => {});
  // `window=0` looks for no new deltas and keeps those of the push: their sizes are good, and a search takes long.
  const args = ['pack-objects', '--revs', '--thin', '--delta-base-offset', '--window=0', '--stdout', '-q'];
  const git = start(options, args, ['pipe', 'pipe', 'pipe']);
  const lines = [...options.wanted, ...options.excluded.map((oid) => `^${oid}`)];
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      if (head.length < headBytes) head = Buffer.concat([head, chunk]).subarray(0, headBytes);
      done(null, chunk);
    },
  });
  try {
    const ended = endOf(git, 'pack-objects');
    git.stdin?.end(`${lines.join('\n')}\n`);
    const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    await Promise.all([pipeline(git.stdout as Readable, watch, file), ended]); // a pipe
    if (head.length < headBytes) throw failed('pack-objects', 'it wrote no pack');
    const sha256 = hash.digest('hex');
    // Opened only when it is read: a file that nobody reads would stay open.
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield* createReadStream(path);
    };
    return { sha256, objects: head.readUInt32BE(8), chunks, remove };
  } catch (error) {
    git.kill('SIGKILL');
    await remove();
    throw error;
  }
}

/** Stores the objects of a pack in the repository. Throws `unavailable` when git refuses it, and errors of `chunks`. */
export async function storePack(options: PackOptions & { readonly chunks: AsyncIterable<Uint8Array> }): Promise<void> {
  const git = start(options, ['index-pack', '--stdin', '--fix-thin'], ['pipe', 'ignore', 'pipe']);
  const ended = endOf(git, 'index-pack');
  try {
    await Promise.all([pipeline(Readable.from(options.chunks), git.stdin!), ended]); // a pipe
  } catch (error) {
    git.kill('SIGKILL');
    await ended.catch(() => {});
    throw error;
  }
}

/** Returns those of `oids` that the repository does not have. Throws `unavailable` when git fails. */
export async function missingObjects(
  options: PackOptions & { readonly oids: readonly string[] },
): Promise<ReadonlySet<string>> {
  if (options.oids.length === 0) return new Set();
  const git = start(options, ['cat-file', '--batch-check'], ['pipe', 'pipe', 'pipe']);
  const ended = endOf(git, 'cat-file');
  git.stdin?.end(`${options.oids.join('\n')}\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of git.stdout as Readable) chunks.push(chunk); // a pipe
  await ended;
  const lines = Buffer.concat(chunks).toString('latin1').split('\n');
  return new Set(lines.flatMap((line) => /^([0-9a-f]+) missing$/.exec(line)?.[1] ?? []));
}

function start(options: PackOptions, args: readonly string[], stdio: ('pipe' | 'ignore')[]): ChildProcess {
  const { repository: cwd, environment } = options;
  const git = spawn('git', args, { cwd, env: { ...environment }, stdio, timeout: packMsMax, killSignal: 'SIGKILL' });
  // EPIPE: git has ended early; its exit says why.
  git.stdin?.on('error', () => {});
  return git;
}

/** Resolves when git has ended well. Rejects with `unavailable` otherwise. */
async function endOf(git: ChildProcess, what: string): Promise<void> {
  let said = '';
  git.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(0, stderrBytesMax);
  });
  const [status] = (await once(git, 'close')) as [number | null]; // first argument of `close`
  if (status !== 0) throw failed(what, said);
}

function failed(what: string, said: string): PlatformError {
  return new PlatformError('unavailable', `git ${what} failed on the server`, { cause: new Error(said) });
}
