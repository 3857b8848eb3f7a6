/** Writes structures of WASI into the memory of a guest (witx: filestat, fdstat, dirent), little-endian. */
import type { DirectoryEntry, NodeKind, Stat } from '../../fs/node.ts';
import type { GuestMemory } from '../../memory.ts';
import { FileType } from './state.ts';
import type { WasiVersion } from './version.ts';

export const fdstatBytes = 24;
export const direntBytes = 24;

const fileTypes: Readonly<Record<NodeKind, number>> = {
  file: FileType.regularFile,
  directory: FileType.directory,
  symlink: FileType.symlink,
  other: FileType.unknown,
};

type FilestatLayout = WasiVersion['filestat'];

/**
 * Writes the filestat of a file or directory, `layout.bytes` bytes. Throws GuestFault if it does not fit into the
 * memory.
 */
export function putFilestat(memory: GuestMemory, pointer: number, stat: Stat, layout: FilestatLayout): void {
  putFilestatFields(memory, pointer, { ...stat, fileType: fileTypes[stat.kind] }, layout);
}

/** Writes the filestat of a stream, which has no inode, size or times. */
export function putStreamFilestat(
  memory: GuestMemory,
  pointer: number,
  fileType: number,
  layout: FilestatLayout,
): void {
  const none = { dev: 0n, ino: 0n, nlink: 1, size: 0, atimNs: 0n, mtimNs: 0n, ctimNs: 0n };
  putFilestatFields(memory, pointer, { ...none, fileType }, layout);
}

function putFilestatFields(
  memory: GuestMemory,
  pointer: number,
  stat: Omit<Stat, 'kind'> & { readonly fileType: number },
  layout: FilestatLayout,
): void {
  const bytes = memory.bytes(pointer, layout.bytes).fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, layout.bytes);
  view.setBigUint64(0, stat.dev, true);
  view.setBigUint64(8, stat.ino, true);
  view.setUint8(16, stat.fileType);
  if (layout.nlinkBytes === 8) view.setBigUint64(layout.nlink, BigInt(stat.nlink), true);
  else view.setUint32(layout.nlink, stat.nlink, true);
  view.setBigUint64(layout.size, BigInt(stat.size), true);
  view.setBigUint64(layout.times, stat.atimNs, true);
  view.setBigUint64(layout.times + 8, stat.mtimNs, true);
  view.setBigUint64(layout.times + 16, stat.ctimNs, true);
}

/**
 * Numbers of an fdstat (typenames.witx): a FileType, and bits of flags, of rights, and of the rights that descriptors
 * opened through this one may have.
 */
export interface Fdstat {
  readonly fileType: number;
  readonly flags: number;
  readonly rights: number;
  readonly inheriting: number;
}

/**
 * Writes an fdstat. Throws GuestFault if it does not fit into the memory.
 *
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
 * Returns a dirent and its name as bytes; the caller cuts the last one at the end of its buffer.
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
