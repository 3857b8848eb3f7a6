/** Fills the file `stdin` of Land before the guest runs, and sends the file `stdout` after it has ended. */
import { KIB } from '../../../../protocol/limits.ts';
import { Errno } from '../../errno.ts';
import type { FileHandle } from '../../fs/node.ts';
import { openPath } from '../../fs/operations.ts';
import type { Process } from '../../process.ts';

export const inputName = 'stdin';
const outputName = 'stdout';
const chunkBytes = 64 * KIB;

const inputRead = new WeakSet<Process>();

export function isInputRead(guest: Process): boolean {
  return inputRead.has(guest);
}

/**
 * Copies standard input, up to its end, into the file `stdin`. Returns 0 or an Errno: noSpace if scratch has no room.
 */
export async function readInput(guest: Process): Promise<number> {
  inputRead.add(guest);
  const file = openScratch(guest, inputName, true);
  if (typeof file === 'number') return file;
  try {
    return await copyInput(guest, file);
  } finally {
    file.close();
  }
}

async function copyInput(guest: Process, file: FileHandle): Promise<number> {
  const buffer = new Uint8Array(chunkBytes);
  const { stdin } = guest.options;
  let at = 0;
  for (;;) {
    const count = stdin.read(buffer);
    if (typeof count !== 'number') {
      await count;
      if (guest.end !== null) return Errno.closed;
      continue;
    }
    if (count === Errno.end || count === 0) return 0;
    if (count < 0) return count;
    guest.account(stdin.scheme, count, 0);
    const written = file.write(buffer.subarray(0, count), at);
    if (written < count) return written < 0 ? written : Errno.noSpace;
    at += count;
  }
}

/** Copies the file `stdout` to standard output, at the speed of its reader. */
export async function writeOutput(guest: Process): Promise<void> {
  const { filesOpened } = guest;
  if (filesOpened === null) return;
  const file = openScratch(guest, outputName, false);
  if (typeof file === 'number') return;
  const { stdout } = guest.options;
  const buffer = new Uint8Array(chunkBytes);
  let at = 0;
  try {
    for (;;) {
      const count = file.read(buffer, at);
      if (count <= 0) return;
      let done = 0;
      while (done < count) {
        const written = stdout.write(buffer.subarray(done, count));
        if (typeof written !== 'number') {
          // A Process that has exited cannot be killed any more, so the copy awaits the promise directly.
          await (guest.end === null ? guest.wait(written) : written);
        } else if (written <= 0) {
          return guest.report('warning', 'land: standard output was closed before all of stdout was sent');
        } else {
          guest.account(stdout.scheme, 0, written);
          done += written;
        }
      }
      at += count;
    }
  } finally {
    file.close();
  }
}

function openScratch(guest: Process, name: string, create: boolean): FileHandle | number {
  const opened = openPath(guest.files.scratch, name, {
    read: true,
    write: create,
    create,
    follow: false,
    exclusive: false,
    truncate: false,
    directory: false,
  });
  if (typeof opened === 'number') return opened;
  return opened.kind === 'file' ? opened.handle : Errno.isDirectory;
}
