/**
 * Implements WASI on the Process's own descriptor table and file system: preview 1 (module wasi_snapshot_preview1) and
 * the older snapshot 0 (module wasi_unstable). A module may import from both. Source: WebAssembly/WASI, phases.
 */
import { OpenDirectory } from '../../fs/open-file.ts';
import type { Process } from '../../process.ts';
import type { Abi, Syscall } from '../../syscall.ts';
import { argsGet, argsSizesGet } from './args.ts';
import { clockResGet, clockTimeGet } from './clock.ts';
import { environGet, environSizesGet } from './environ.ts';
import {
  fdClose,
  fdFdstatGet,
  fdFdstatSetFlags,
  fdFdstatSetRights,
  fdFilestatGet,
  fdFilestatSetSize,
  fdFilestatSetTimes,
  fdPrestatDirName,
  fdPrestatGet,
  fdReaddir,
  fdRenumber,
} from './fd.ts';
import {
  fdAdvise,
  fdAllocate,
  fdDatasync,
  fdPread,
  fdPwrite,
  fdRead,
  fdSeek,
  fdSync,
  fdTell,
  fdWrite,
} from './fd-data.ts';
import {
  pathCreateDirectory,
  pathFilestatGet,
  pathFilestatSetTimes,
  pathLink,
  pathReadlink,
  pathRemoveDirectory,
  pathRename,
  pathSymlink,
  pathUnlinkFile,
} from './path.ts';
import { pathOpen } from './path-open.ts';
import { pollOneoff } from './poll.ts';
import { procExit, procRaise } from './proc.ts';
import { randomGet } from './random.ts';
import { schedYield } from './sched.ts';
import { sockAccept, sockRecv, sockSend, sockShutdown } from './sock.ts';
import { preview1, snapshot0, type WasiVersion } from './version.ts';

/** Rows that both versions have. */
const shared: readonly Syscall[] = [
  argsGet,
  argsSizesGet,
  environGet,
  environSizesGet,
  clockResGet,
  clockTimeGet,
  fdAdvise,
  fdAllocate,
  fdClose,
  fdDatasync,
  fdFdstatGet,
  fdFdstatSetFlags,
  fdFdstatSetRights,
  fdFilestatSetSize,
  fdFilestatSetTimes,
  fdPread,
  fdPrestatGet,
  fdPrestatDirName,
  fdPwrite,
  fdRead,
  fdReaddir,
  fdRenumber,
  fdSync,
  fdTell,
  fdWrite,
  pathCreateDirectory,
  pathFilestatSetTimes,
  pathLink,
  pathOpen,
  pathReadlink,
  pathRemoveDirectory,
  pathRename,
  pathSymlink,
  pathUnlinkFile,
  procExit,
  procRaise,
  schedYield,
  randomGet,
  sockRecv,
  sockSend,
  sockShutdown,
];

/** Returns the rows that differ between the versions. */
function rowsOf(version: WasiVersion): readonly Syscall[] {
  return [fdFilestatGet(version), fdSeek(version), pathFilestatGet(version), pollOneoff(version)];
}

/** Preview 1, with 46 functions. */
export const wasi: Abi = {
  name: 'wasi',
  modules: ['wasi_snapshot_preview1'],
  syscalls: [...shared, sockAccept, ...rowsOf(preview1)],
};

/** Snapshot 0, which compilers used until 2020. It has 45 functions, since sock_accept was added later. */
export const wasiUnstable: Abi = {
  name: 'wasi',
  modules: ['wasi_unstable'],
  syscalls: [...shared, ...rowsOf(snapshot0)],
};

/** Opens the preopens at the first free descriptors: `/`, or the folders mapped for a local run. */
export function openPreopens(guest: Process): void {
  for (const { name, directory } of guest.files.preopens) {
    guest.descriptors.add(new OpenDirectory(directory, name));
  }
}
