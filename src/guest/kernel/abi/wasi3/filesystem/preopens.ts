/** wasi:filesystem/preopens: the directories that a component has open at its start. */
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import { DirectoryDescriptor } from '../../wasi2/filesystem/descriptor.ts';
import { directories } from './types.ts';

/** Returns each such directory and its name: `/`, or for `wasmcloud run` the folders that `--dir` maps. */
const getDirectories = witRow('get-directories', directories, (guest: Process) =>
  guest.files.preopens.map(({ name, directory }) => [new DirectoryDescriptor(directory), name]),
);

export const preopens = witInterface('wasi3', 'wasi:filesystem/preopens@0.3', [getDirectories]);
