/**
 * WASI preview 1 (WebAssembly/WASI, snapshots/preview1, module wasi_snapshot_preview1), all 46
 * functions, on the Process's own descriptor table and file system.
 */
import { OpenDirectory } from '../../fs/open-file.ts';
import type { Process } from '../../process.ts';
import type { Abi } from '../../syscall.ts';
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

export const wasi: Abi = {
  name: 'wasi',
  modules: ['wasi_snapshot_preview1'],
  syscalls: [
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
    fdFilestatGet,
    fdFilestatSetSize,
    fdFilestatSetTimes,
    fdPread,
    fdPrestatGet,
    fdPrestatDirName,
    fdPwrite,
    fdRead,
    fdReaddir,
    fdRenumber,
    fdSeek,
    fdSync,
    fdTell,
    fdWrite,
    pathCreateDirectory,
    pathFilestatGet,
    pathFilestatSetTimes,
    pathLink,
    pathOpen,
    pathReadlink,
    pathRemoveDirectory,
    pathRename,
    pathSymlink,
    pathUnlinkFile,
    pollOneoff,
    procExit,
    procRaise,
    schedYield,
    randomGet,
    sockAccept,
    sockRecv,
    sockSend,
    sockShutdown,
  ],
};

/** Preopens, from the first free descriptor on: `/`, or the folders mapped for a local run. */
export function openPreopens(guest: Process): void {
  for (const { name, directory } of guest.files.preopens) {
    guest.descriptors.add(new OpenDirectory(directory, name));
  }
}
