/**
 * Answers git's pre-receive hook on a Unix socket in a folder of mode 0700. Each push has a fresh secret that only its
 * own hook can read (a file of mode 0600 in the repository). The hook decides nothing: it lists and reads objects of
 * the quarantine when control asks, prints control's text, and exits as control says.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { KIB, MIB, pushLimits } from '../../protocol/limits.ts';
import type { PushedObjects, PushSession } from '../../protocol/push.ts';
import { sameSecret } from '../../protocol/same-secret.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { HookObjects } from './hook-objects.ts';

export const hookLimits = {
  /** Connections at once: a hook per running push, and several times as many connections of strangers. */
  connections: 64,
  /** Milliseconds from connecting to the first frame, which carries the secret. */
  helloMs: 5_000,
  headBytes: 64 * KIB,
  /** Bytes of one object, or of a listing. */
  bytes: Math.max(pushLimits.moduleBytes, 16 * MIB),
  /** Bytes of what a commit says about itself, of which control keeps the beginning. */
  aboutBytes: 16 * KIB,
  /** Bytes of output that a hook has not taken yet; above that, output is dropped. */
  outputBytes: MIB,
} as const;

/** Bytes of a socket's path without the final NUL: sun_path has 104 bytes on macOS and the BSDs, 108 on Linux. */
const socketPathBytesMax = 103;

const hello = z.object({ kind: z.literal('hello'), push: z.string(), secret: z.string() });

/** Name of the file in a repository that tells the hook of the running push how to reach control. */
export const pushFileName = 'trisiel-push';

export interface OpenPush {
  /** Closes the connection of the push's hook and invalidates its secret. */
  close(): Promise<void>;
}

interface Registered {
  readonly secret: Buffer;
  readonly session: PushSession;
  readonly signal: AbortSignal;
  /** Connection of the hook; null: it has not greeted yet. */
  socket: Socket | null;
}

export class HookEndpoint {
  readonly #server: Server;
  readonly #folder: string;
  readonly #pushes = new Map<string, Registered>();

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
    server.on('connection', (socket) => this.#connected(socket));
  }

  /**
   * Listens in `runFolder` (inside the data folder, so that a killed control leaves no file elsewhere), or in a new
   * temporary folder when the socket's path would be too long.
   */
  static async open(runFolder: string | null = null): Promise<HookEndpoint> {
    const fits = runFolder !== null && Buffer.byteLength(join(runFolder, 's')) <= socketPathBytesMax;
    const folder = fits ? runFolder : await mkdtemp(join(tmpdir(), 'tri-'));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    await rm(join(folder, 's'), { force: true });
    const server = createServer();
    server.maxConnections = hookLimits.connections;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(folder, 's'), () => {
        server.off('error', reject);
        server.on('error', () => {}); // A failed accept (no descriptors left) shows as a refused push.
        resolve();
      });
    });
    return new HookEndpoint(server, folder);
  }

  async close(): Promise<void> {
    for (const push of this.#pushes.values()) push.socket?.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /**
   * Connects the hook that git runs in `repository` with `session`. An abort of `signal` closes its connection. Throws
   * errors of the file system.
   */
  async register(options: {
    readonly repository: string;
    readonly session: PushSession;
    readonly signal: AbortSignal;
  }): Promise<OpenPush> {
    const id = randomBytes(12).toString('base64url');
    const secret = randomBytes(32).toString('base64url');
    const file = join(options.repository, pushFileName);
    const entry: Registered = {
      secret: Buffer.from(secret),
      session: options.session,
      signal: options.signal,
      socket: null,
    };
    this.#pushes.set(id, entry);
    const drop = () => void entry.socket?.destroy();
    options.signal.addEventListener('abort', drop, { once: true });
    const close = async () => {
      options.signal.removeEventListener('abort', drop);
      this.#pushes.delete(id);
      drop();
      await rm(file, { force: true });
    };
    try {
      const facts = {
        socket: join(this.#folder, 's'),
        push: id,
        secret,
        treeFiles: pushLimits.treeFiles,
        aboutBytes: hookLimits.aboutBytes,
        listBytes: pushLimits.treeListBytes,
      };
      await rm(file, { force: true }); // Removes the file of a crashed control; 'wx' below never follows a link.
      await writeFile(file, JSON.stringify(facts), { mode: 0o600, flag: 'wx' });
    } catch (error) {
      await close();
      throw error;
    }
    return { close };
  }

  #connected(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const late = setTimeout(() => socket.destroy(), hookLimits.helloMs);
    socket.once('close', () => clearTimeout(late));
    const reader = new FrameReader({ headBytes: hookLimits.headBytes, bytes: hookLimits.bytes });
    const first = (chunk: Buffer) => {
      try {
        reader.push(chunk);
        const frame = reader.next();
        if (frame === undefined) return;
        clearTimeout(late);
        socket.off('data', first);
        this.#greeted(socket, reader, frame.head);
      } catch {
        socket.destroy();
      }
    };
    socket.on('data', first);
  }

  #greeted(socket: Socket, reader: FrameReader, head: unknown): void {
    const { push: id, secret } = hello.parse(head);
    const push = this.#pushes.get(id);
    const known = push !== undefined && sameSecret(secret, push.secret);
    // The hook runs once per push.
    if (!known || push.socket !== null) {
      socket.destroy();
      return;
    }
    push.socket = socket;
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    const print = (text: string) => {
      if (socket.writableLength < hookLimits.outputBytes) socket.write(encodeFrame({ kind: 'print', text }));
    };
    const objects: PushedObjects = new HookObjects(socket, reader);
    push.session.preReceive(objects, print, AbortSignal.any([push.signal, gone.signal])).then(
      (ok) => socket.end(encodeFrame({ kind: 'end', ok })),
      () => socket.destroy(),
    );
  }
}
