/**
 * Opens `file:///PATH` in the file system of the Process. Scratch (`/tmp`) is opened for reading and writing, and a
 * missing file is made there; the pushed tree is read-only, so its files are opened for reading alone.
 */
import { Errno } from '../errno.ts';
import { pathWork } from '../fs/node.ts';
import { OpenFile } from '../fs/open-file.ts';
import { type OpenOptions, openPath } from '../fs/operations.ts';
import type { Scheme } from '../process.ts';
import type { OpenFlags } from '../resource.ts';

/** Matches the scheme, an empty host or localhost, and the path, which ends before `?` or `#`. */
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
    // A path above the root leads to no file.
    if (opened === Errno.outside) return Errno.notFound;
    if (typeof opened === 'number') return opened;
    if (opened.kind === 'directory') return Errno.isDirectory;
    return new OpenFile(opened.handle, { read, write: mayWrite });
  },
};

function options({ read, write }: OpenFlags): OpenOptions {
  return { read, write, create: write, follow: true, exclusive: false, truncate: false, directory: false };
}

/** Returns the path with its percent-escapes decoded; null if the URL has none. */
function pathOf(url: string): string | null {
  const path = fileUrl.exec(url)?.[1];
  if (path === undefined || path === '') return null;
  // file://example.com/x names another host.
  if (/^file:\/\/[^/]/i.test(url) && !/^file:\/\/localhost(\/|$)/i.test(url)) return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}
