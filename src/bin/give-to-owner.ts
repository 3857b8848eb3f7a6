/**
 * Gives what root has written into a data folder to the folder's owner, who may change the folder meanwhile and could
 * lead root to other files with links. So each entry is opened once, by its name in a folder that is open itself, and
 * looked at and given away through this descriptor, whatever stands under its name by then. Node has no openat and
 * fchownat; on Linux `/proc/self/fd/N` names an open file (proc_pid_fd(5)), and O_PATH opens one of any kind without an
 * effect (open(2)).
 */
import { chownSync, closeSync, constants, existsSync, fstatSync, openSync, readdirSync } from 'node:fs';

/** Of open(2) on Linux; node:fs does not name it. */
const O_PATH = 0o10000000;

/** Folders inside each other that are entered: more than the deepest ref of git's has, fewer than descriptors. */
const depthMax = 256;

interface Owner {
  /** Numbers of the user and of the group. */
  readonly uid: number;
  readonly gid: number;
}

/**
 * Gives root's files below the data folder `path` to the folder's owner, who could not read them otherwise: an operator
 * runs commands as root beside a service with a user of its own. Does nothing as another user, or where the folder is
 * root's. Follows no link, and leaves files with several names, one of which may be outside. Where nothing can be given
 * away like that (other systems than Linux), it says so on standard error.
 */
export function giveToOwner(path: string): void {
  if (process.getuid?.() !== 0) return;
  if (!existsSync('/proc/self/fd')) {
    process.stderr.write(`what root has written into ${path} stays root's; give it away with chown\n`);
    return;
  }
  opened(path, constants.O_DIRECTORY, (folder) => {
    const { uid, gid } = fstatSync(folder);
    if (uid !== 0) giveBelow(folder, { uid, gid }, 1);
  });
}

/** Gives away what is below `folder`, a descriptor, which is `depth` folders deep. */
function giveBelow(folder: number, owner: Owner, depth: number): void {
  // Names are bytes that need not be UTF-8.
  const names: readonly Buffer[] = readdirSync(nameOf(folder), { encoding: 'buffer' });
  for (const name of names) {
    const file = Buffer.concat([Buffer.from(`${nameOf(folder)}/`), name]);
    opened(file, constants.O_NOFOLLOW, (descriptor) => {
      const found = fstatSync(descriptor);
      if (found.isDirectory() && depth < depthMax) giveBelow(descriptor, owner, depth + 1);
      if (found.uid === 0 && (found.isDirectory() || found.nlink === 1))
        chownSync(nameOf(descriptor), owner.uid, owner.gid);
    });
  }
}

/** Opens `file` for nothing but `use`. Does nothing where there is no such file: a runner removes its own meanwhile. */
function opened(file: string | Buffer, flags: number, use: (descriptor: number) => void): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, O_PATH | flags);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function nameOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}
