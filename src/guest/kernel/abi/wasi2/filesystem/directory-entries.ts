/** Calls of wasi:filesystem/types that read the entries of a directory. */
import { borrow, func, hostResource, option, own, record } from '../../../../component/wit.ts';
import { dropRow, err, ok, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { type Descriptor, DirectoryDescriptor, DirectoryEntryStream } from './descriptor.ts';
import { descriptorTypeType, filesystemName, orError, self, typeOfKind } from './descriptor-types.ts';
import { failure } from './error-code.ts';

const directoryEntryStreamResource = hostResource(filesystemName, 'directory-entry-stream');
const directoryEntryType = record({ type: descriptorTypeType, name: 'string' });

/** Host work (Process.work) for one directory entry, in bytes moved. */
export const entryWork = 1024;

/**
 * Returns a stream of the entries of the directory, without `.` and `..`.
 *
 * Errors: not-directory.
 */
const descriptorReadDirectory = witRow(
  '[method]descriptor.read-directory',
  func(self, orError(own(directoryEntryStreamResource))),
  (_guest: Process, one: Descriptor) => {
    if (!(one instanceof DirectoryDescriptor)) return err('not-directory');
    const listing = one.directory.list();
    return typeof listing === 'number' ? failure(listing) : ok(new DirectoryEntryStream(listing));
  },
);

/** Returns the next entry of the directory; none at the end. */
const directoryEntryStreamReadDirectoryEntry = witRow(
  '[method]directory-entry-stream.read-directory-entry',
  func({ self: borrow(directoryEntryStreamResource) }, orError(option(directoryEntryType))),
  (guest: Process, stream: DirectoryEntryStream) => {
    guest.work(entryWork);
    const entry = stream.listing.entry(stream.cookie);
    if (entry === null) return ok(null);
    stream.cookie = entry.next;
    return ok({ type: typeOfKind[entry.kind], name: entry.name });
  },
);

/** Drops a directory-entry-stream. */
const dropDirectoryEntryStream = dropRow(directoryEntryStreamResource);

export const directoryEntryRows = [
  descriptorReadDirectory,
  directoryEntryStreamReadDirectoryEntry,
  dropDirectoryEntryStream,
];
