/** wasi:filesystem/preopens: the directories that a component has open at its start. */
import { func, list, own, tuple } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { DirectoryDescriptor } from './descriptor.ts';
import { descriptorResource } from './descriptor-types.ts';

/** Returns each such directory and its name: `/`, or for `wasmcloud run` the folders that `--dir` maps. */
const getDirectories = witRow(
  'get-directories',
  func({}, list(tuple(own(descriptorResource), 'string'))),
  (guest: Process) => guest.files.preopens.map(({ name, directory }) => [new DirectoryDescriptor(directory), name]),
);

export const preopens = witInterface('wasi2', 'wasi:filesystem/preopens@0.2', [getDirectories]);
