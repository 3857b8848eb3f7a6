/**
 * The vet child: reads, checks, meters, confines, compiles and measures one module, and takes its snapshot when the
 * manifest asks for one; then it waits to be killed. Only the snapshot runs guest code, in the kernel of a runner,
 * without network, kv and queues. A module that makes the engine use up memory or time takes down this process only.
 * src/control/deploy/vet/vet-child.ts starts it with the permission model and without lazy compilation, so that a
 * function that cannot be compiled in time shows here and not in its first request.
 */

import { flushCompileCache } from 'node:module';
import type { FromVet, SnapshotRequest, ToVet } from '../control/deploy/vet/messages.ts';
import { vetProgram } from '../guest/component/vet-program.ts';
import { compileH } from '../guest/hlang/compile.ts';
import { providedFunctions, providedInterfaces } from '../guest/kernel/abi/all.ts';
import { makeFileSystem } from '../guest/kernel/fs/file-system.ts';
import { lowerTree } from '../guest/kernel/fs/lower-tree.ts';
import { defaultScratch } from '../guest/kernel/fs/quota.ts';
import { startUpLimits } from '../guest/snapshot/limits.ts';
import { takeSnapshot } from '../guest/snapshot/take-snapshot.ts';
import { PlatformError } from '../protocol/errors.ts';
import { measureModule } from './measure-module.ts';

async function vet({ bytes, name, docsUrl, snapshot = null }: ToVet): Promise<FromVet> {
  const startMs = performance.now();
  try {
    const options = { provided: providedFunctions, ...providedInterfaces, name, docsUrl };
    const vetted =
      snapshot === null
        ? { ...vetProgram(bytes, options), report: null }
        : await takeSnapshot(bytes, { ...options, ...startUpOptions(snapshot) });
    const rewriteMs = performance.now() - startMs;
    const { compileMs, ...measures } = await measureModule(vetted.bytes, vetted.module, { name });
    const module = { ...vetted.module, ...measures };
    return { kind: 'vetted', module, bytes: vetted.bytes, rewriteMs, compileMs, startUp: vetted.report };
  } catch (error) {
    if (error instanceof PlatformError) {
      const { code, message, details, hints } = error;
      return { kind: 'refused', code, message, details, hints };
    }
    return { kind: 'failed', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

function startUpOptions({ env, files, policy, memoryPages }: SnapshotRequest) {
  const lower = lowerTree(files);
  return {
    env: new Map(Object.entries(env)),
    files: () =>
      makeFileSystem({
        lower,
        limits: { ...defaultScratch, bytes: startUpLimits.scratchBytes },
        nowNs: () => BigInt(Date.now()) * 1_000_000n,
      }),
    policy,
    memoryPages,
  };
}

// Control has ended: there is nobody to report to.
process.on('disconnect', () => process.exit(0));

// Vets the smallest module that goes through every step: the code is loaded and warm before a push waits for it.
await vet({ bytes: compileH('h'), name: 'warm-up', docsUrl: '' });
// Writes the cache now: the child is killed, so Node's own write at exit would never run.
flushCompileCache();
// The next children read the cache. Writing is forbidden from here on, before modules of strangers come.
process.permission?.drop('fs.write');

// Node keeps messages that arrive before this listener is set.
process.on('message', (request: ToVet) => {
  vet(request).then((answer) => process.send?.(answer));
});
process.send?.({ kind: 'ready' } satisfies FromVet);
