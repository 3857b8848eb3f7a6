/** Writes the bytes of a stream of the guest to where they go, as they come. */
import { KIB } from '../../../../protocol/limits.ts';
import {
  type Chunk,
  type CopyOptions,
  type CopyResult,
  copyResult,
  type Destination,
  type Readable,
} from '../../canonical/async/shared.ts';
import { guarded } from '../../canonical/async/source.ts';
import { Errno } from '../../errno.ts';
import { GuestFault } from '../../memory.ts';
import type { Process } from '../../process.ts';

/** Most bytes that are taken from a stream of the guest at once. */
const takenBytesMax = 64 * KIB;

/** Returns whether output of `guest` must still be sent: the guest runs, or has ended by itself. */
function isWanted({ end }: Process): boolean {
  return end === null || end.kind === 'exit';
}

export interface PumpOptions {
  /** Scheme under which the bytes are accounted. */
  readonly scheme: string;
  /** Takes bytes, a view that is valid during the call, as Resource.write does. */
  readonly write: (bytes: Uint8Array) => number | Promise<void>;
  /**
   * Called once: with 0 at the end of the stream, or with the Errno of the write that failed; the stream is dropped
   * then.
   */
  readonly ended: (errno: number) => void;
}

/**
 * Writes all bytes of `stream`. What the guest writes to it is written in the same call, if it can be, so a guest whose
 * peer takes its bytes never waits for that.
 */
export function startPump(guest: Process, stream: Readable, options: PumpOptions): void {
  new Pump(guest, stream, options).run();
}

/** Writes all bytes of `stream` as startPump does. Resolves to what `ended` gets, and never rejects. */
export function pump(
  guest: Process,
  stream: Readable,
  scheme: string,
  write: (bytes: Uint8Array) => number | Promise<void>,
): Promise<number> {
  return new Promise((ended) => startPump(guest, stream, { scheme, write, ended }));
}

/**
 * Reads the stream into itself, and writes what it gets.
 *
 *     reading --bytes, all written--> reading
 *        |       +--no room--> blocked --room--> reading
 *        +--the end, or a write that fails--> over
 */
class Pump implements Destination, CopyOptions {
  readonly isEmpty = false;
  readonly remain = takenBytesMax;
  readonly #guest: Process;
  readonly #stream: Readable;
  readonly #options: PumpOptions;
  #state: 'idle' | 'reading' | 'blocked' | 'over' = 'idle';
  /** Whether `run` runs: what it does calls methods that call it. */
  #isRunning = false;
  /** Whether the present read has brought bytes. */
  #hasBytes = false;
  #isAtEnd = false;
  /** Bytes that the stream has given and nobody has taken, which count as held by the Process; null: none. */
  #rest: Uint8Array | null = null;
  /** Errno of the write that failed; 0: none. */
  #failed = 0;

  constructor(guest: Process, stream: Readable, options: PumpOptions) {
    this.#guest = guest;
    this.#stream = stream;
    this.#options = options;
  }

  /** Goes on until it has to wait. */
  run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#state === 'idle') this.#step();
    this.#isRunning = false;
    // Sends what is buffered: a guest that waits sends no more before it goes on.
    if (this.#guest.end === null && this.#guest.isSuspended) this.#guest.options.suspending?.();
  }

  #step(): void {
    const rest = this.#takeRest();
    if (rest !== null) this.#write(rest);
    else if (this.#failed !== 0 || this.#isAtEnd) this.#end();
    else {
      this.#state = 'reading';
      this.#hasBytes = false;
      this.#stream.read(this, this);
    }
  }

  #end(): void {
    this.#state = 'over';
    if (this.#failed !== 0 && isWanted(this.#guest)) this.#stream.drop();
    this.#options.ended(this.#failed);
  }

  #write(bytes: Uint8Array): void {
    const { scheme, write } = this.#options;
    let done = 0;
    try {
      while (done < bytes.length && this.#failed === 0 && this.#state !== 'blocked') {
        const count = isWanted(this.#guest) ? write(bytes.subarray(done)) : Errno.closed;
        if (typeof count !== 'number') this.#wait(count);
        else if (count > 0) {
          this.#guest.account(scheme, 0, count);
          done += count;
        } else this.#failed = count === 0 ? Errno.noSpace : count;
      }
    } catch {
      this.#failed = Errno.unknown;
    }
    if (this.#state === 'blocked') this.#keep(bytes.subarray(done));
  }

  /** Keeps what the stream has given until there is room. Throws GuestFault if the Process holds too much. */
  #keep(rest: Uint8Array): void {
    if (!this.#guest.held.take(rest.length)) throw new GuestFault('the invocation holds too many bytes of streams');
    this.#rest = rest.slice();
  }

  #takeRest(): Uint8Array | null {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.#guest.held.give(rest.length);
    return rest;
  }

  #wait(room: Promise<void>): void {
    this.#state = 'blocked';
    const goOn = (failed: number): void => {
      this.#failed = failed;
      if (failed !== 0) this.#takeRest();
      this.#state = 'idle';
      // The guest may have written trailers that are no value of their type.
      guarded(this.#guest, () => this.run());
    };
    room.then(
      () => goOn(0),
      () => goOn(Errno.unknown),
    );
  }

  // Methods for the stream that is read.

  write(chunk: Chunk): void {
    this.#hasBytes = true;
    this.#write(chunk as Uint8Array); // a stream of u8
  }

  copied(): void {
    this.done(copyResult.completed);
  }

  done(result: CopyResult): void {
    this.#stream.reclaim(this);
    // A stream that has ended with these bytes says so again at the next read.
    if (result !== copyResult.completed && !this.#hasBytes) this.#isAtEnd = true;
    if (this.#state === 'reading') this.#state = 'idle';
    this.run();
  }
}
