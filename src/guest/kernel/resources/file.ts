/**
 * `file:///PATH`: the Process's own file system. Scratch (`/tmp`) is opened for reading and writing
 * and made where it is missing; the pushed tree is read-only, and so opened for reading alone.
 */
import { Errno } from '../errno.ts';
import { pathWork } from '../fs/node.ts';
import { OpenFile } from '../fs/open-file.ts';
import { type OpenOptions, openPath } from '../fs/operations.ts';
import type { Scheme } from '../process.ts';
import type { OpenFlags } from '../resource.ts';

/** Scheme, empty host or localhost, path; what follows a `?` or `#` is no part of it. */
const fileUrl = /^file:(?:\/\/(?:localhost)?(?=\/|$))?([^?#]*)/i;

export const fileScheme: Scheme = {
  names: ['file'],
  open: (url, guest, flags) => {
    const path = pathOf(url);
    if (path === null) return Errno.invalid;
    guest.work(path.length * pathWork);
    const { base, rest } = guest.files.place(path);
    const { read, write } = flags;
    let opened = openPath(base, rest, options({ read, write }));
    let mayWrite = write;
    if (opened === Errno.readOnly && read && write) {
      mayWrite = false;
      opened = openPath(base, rest, options({ read, write: false }));
    }
    // From the root there is no above: what cannot be reached is not there.
    if (opened === Errno.outside || opened === Errno.notCapable) return Errno.notFound;
    if (typeof opened === 'number') return opened;
    if (opened.kind === 'directory') return Errno.isDirectory;
    return new OpenFile(opened.handle, { read, write: mayWrite });
  },
};

function options({ read, write }: OpenFlags): OpenOptions {
  return { read, write, create: write, follow: true, exclusive: false, truncate: false, directory: false };
}

/** The path with its percent-escapes decoded; null where it is none. */
function pathOf(url: string): string | null {
  const path = fileUrl.exec(url)?.[1];
  if (path === undefined || path === '') return null;
  // A host that is not this one: file://example.com/x
  if (/^file:\/\/[^/]/i.test(url) && !/^file:\/\/localhost(\/|$)/i.test(url)) return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}
