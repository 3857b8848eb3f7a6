/** Takes snapshots of guests as the vet child does, and runs them. */
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { makeFileSystem } from '../../src/guest/kernel/fs/file-system.ts';
import { lowerTree } from '../../src/guest/kernel/fs/lower-tree.ts';
import { type Snapshot, type SnapshotOptions, takeSnapshot } from '../../src/guest/snapshot/take-snapshot.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import type { TreeFile } from '../../src/protocol/messages.ts';
import { wat } from './wasm.ts';
import './held-thread.ts';

export interface TakeOptions extends Partial<Omit<SnapshotOptions, 'env' | 'files'>> {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: readonly TreeFile[];
}

/** Takes the snapshot of a module, in text or bytes. */
export function take(source: string | Uint8Array, options: TakeOptions = {}): Promise<Snapshot> {
  const { env, files, ...rest } = options;
  return takeSnapshot(typeof source === 'string' ? wat(source) : source, {
    name: 'guest.wasm',
    provided: providedFunctions,
    ...providedInterfaces,
    policy: null,
    memoryPages: defaultLimits.memoryPages,
    ...rest,
    env: new Map(Object.entries(env ?? {})),
    files: filesOf(files ?? []),
  });
}

/** Makes the file system of a function with these files. */
export function filesOf(files: readonly TreeFile[]): SnapshotOptions['files'] {
  const tree = lowerTree(files);
  return () => makeFileSystem({ lower: tree, nowNs: () => BigInt(Date.now()) * 1_000_000n });
}
