/** Snapshots in the vet child, which loads this file and the kernel that it needs when a manifest asks for one. */
import type { SnapshotRequest } from '../control/deploy/vet/messages.ts';
import { abis } from '../guest/kernel/abi/all.ts';
import { providedInterfaces } from '../guest/kernel/abi/components.ts';
import { makeFileSystem } from '../guest/kernel/fs/file-system.ts';
import { lowerTree } from '../guest/kernel/fs/lower-tree.ts';
import { defaultScratch } from '../guest/kernel/fs/quota.ts';
import { startUpLimits } from '../guest/snapshot/limits.ts';
import { takeSnapshot } from '../guest/snapshot/take-snapshot.ts';
import type { VetOptions } from '../guest/wasm/rewrite.ts';
import type { CheckedProgram } from './checked-program.ts';

/** Takes the snapshot of a program; throws as takeSnapshot does. */
export async function checkWithSnapshot(
  bytes: Uint8Array,
  options: VetOptions & { readonly name: string },
  { env, files, policy, memoryPages }: SnapshotRequest,
): Promise<CheckedProgram> {
  const lower = lowerTree(files);
  const snapshot = await takeSnapshot(bytes, {
    ...options,
    ...providedInterfaces,
    env: new Map(Object.entries(env)),
    files: () =>
      makeFileSystem({
        lower,
        limits: { ...defaultScratch, bytes: startUpLimits.scratchBytes },
        nowNs: () => BigInt(Date.now()) * 1_000_000n,
      }),
    policy,
    memoryPages,
  });
  return { module: snapshot.module, bytes: snapshot.bytes, report: snapshot.report, abis };
}
