/** Structures of WASI preview 1 in the guest's memory (witx: filestat, fdstat, dirent, iovec). Little-endian. */
import type { DirectoryEntry, NodeKind, Stat } from '../../fs/node.ts';
import type { GuestMemory } from '../../memory.ts';
import { FileType } from './state.ts';

export const filestatBytes = 64;
export const fdstatBytes = 24;
export const direntBytes = 24;

const fileTypes: Readonly<Record<NodeKind, number>> = {
  file: FileType.regularFile,
  directory: FileType.directory,
  symlink: FileType.symlink,
  other: FileType.unknown,
};

/**
 *     0 dev u64 | 8 ino u64 | 16 filetype u8 | 24 nlink u64 | 32 size u64 | 40 atim | 48 mtim | 56 ctim
 */
export function putFilestat(memory: GuestMemory, pointer: number, stat: Stat): void {
  putFilestatFields(memory, pointer, { ...stat, fileType: fileTypes[stat.kind] });
}

/** A stream has no inode, size or times. */
export function putStreamFilestat(memory: GuestMemory, pointer: number, fileType: number): void {
  const none = { dev: 0n, ino: 0n, nlink: 1, size: 0, atimNs: 0n, mtimNs: 0n, ctimNs: 0n };
  putFilestatFields(memory, pointer, { ...none, fileType });
}

function putFilestatFields(
  memory: GuestMemory,
  pointer: number,
  stat: Omit<Stat, 'kind'> & { readonly fileType: number },
): void {
  const bytes = memory.bytes(pointer, filestatBytes).fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, filestatBytes);
  view.setBigUint64(0, stat.dev, true);
  view.setBigUint64(8, stat.ino, true);
  view.setUint8(16, stat.fileType);
  view.setBigUint64(24, BigInt(stat.nlink), true);
  view.setBigUint64(32, BigInt(stat.size), true);
  view.setBigUint64(40, stat.atimNs, true);
  view.setBigUint64(48, stat.mtimNs, true);
  view.setBigUint64(56, stat.ctimNs, true);
}

export interface Fdstat {
  readonly fileType: number;
  readonly flags: number;
  readonly rights: number;
  readonly inheriting: number;
}

/**
 *     0 filetype u8 | 2 flags u16 | 8 rights_base u64 | 16 rights_inheriting u64
 */
export function putFdstat(memory: GuestMemory, pointer: number, fdstat: Fdstat): void {
  const bytes = memory.bytes(pointer, fdstatBytes).fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, fdstatBytes);
  view.setUint8(0, fdstat.fileType);
  view.setUint16(2, fdstat.flags, true);
  view.setUint32(8, fdstat.rights, true);
  view.setUint32(16, fdstat.inheriting, true);
}

/**
 * A dirent and the name behind it, as bytes: the last one of a buffer is cut where the buffer ends.
 *
 *     0 d_next u64 | 8 d_ino u64 | 16 d_namlen u32 | 20 d_type u8 | 24 name
 */
export function direntOf(entry: DirectoryEntry): Uint8Array {
  const name = Buffer.from(entry.name);
  const bytes = new Uint8Array(direntBytes + name.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(entry.next), true);
  view.setBigUint64(8, entry.ino, true);
  view.setUint32(16, name.length, true);
  view.setUint8(20, fileTypes[entry.kind]);
  bytes.set(name, direntBytes);
  return bytes;
}
