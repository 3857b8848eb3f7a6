/**
 * wasi:filesystem/types: files and directories of the Process's own file system, which preview 1 and `file:` also use.
 * The repository's files are read-only, scratch is at /tmp. The files beside this one hold its calls, by what they work
 * on.
 */
import { borrow, func, option } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { errorResource, type IoError } from '../io/error.ts';
import { descriptorRows } from './descriptor-rows.ts';
import { filesystemName } from './descriptor-types.ts';
import { directoryEntryRows } from './directory-entries.ts';
import { errorCodeType } from './error-code.ts';
import { pathRows } from './path-rows.ts';

/** Returns the error code of an error that the stream of a file reported; none for other errors. */
const filesystemErrorCode = witRow(
  'filesystem-error-code',
  func({ err: borrow(errorResource) }, option(errorCodeType)),
  (_guest: Process, { codes }: IoError) => codes.filesystem ?? null,
);

export const filesystemTypes = witInterface('wasi2', filesystemName, [
  ...descriptorRows,
  ...pathRows,
  ...directoryEntryRows,
  filesystemErrorCode,
]);
