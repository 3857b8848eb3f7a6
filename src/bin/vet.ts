/**
 * The vet child: reads, checks, meters, confines, compiles and measures one module, and takes its snapshot when the
 * manifest asks for one; then it waits to be killed. Guest code runs for two reasons, in the kernel of a runner: for
 * the snapshot, without network, kv and queues; and to see whether the module can start, without any system call. A
 * module that makes the engine use up memory or time takes down this process only. src/control/deploy/vet/vet-child.ts
 * starts it with the permission model and without lazy compilation, so that a function that cannot be compiled in time
 * shows here and not in its first request.
 */

import { createHash } from 'node:crypto';
import { flushCompileCache } from 'node:module';
import type { FromVet, ToVet } from '../control/deploy/vet/messages.ts';
import { isComponent } from '../guest/component/recognise.ts';
import { compileH } from '../guest/hlang/compile.ts';
import { moduleSignatures } from '../guest/kernel/abi/module-signatures.ts';
import { providedBy } from '../guest/kernel/abi/provided.ts';
import { readSignatures } from '../guest/kernel/abi/signatures.ts';
import { mayHaveLines } from '../guest/wasm/lines/debug-sections.ts';
import type { SourceLines } from '../guest/wasm/lines/rows.ts';
import { vetModule } from '../guest/wasm/rewrite.ts';
import { PlatformError } from '../protocol/errors.ts';
import { defaultLimits } from '../protocol/limits.ts';
import type { CheckedProgram } from './checked-program.ts';
import { measureModule } from './measure-module.ts';

const moduleAbis = readSignatures(moduleSignatures);
const providedFunctions = providedBy(moduleAbis);

// Most pushes need none of these files; loading all takes as long as loading the rest.
const loadSnapshots = () => import('./vet-snapshot.ts');
const loadComponents = () => import('./vet-component.ts');
const loadTrial = () => import('./try-start.ts');
const loadLines = () => import('../guest/wasm/lines/source-lines.ts');

async function linesOf(bytes: Uint8Array, sourceMap: Uint8Array | null): Promise<SourceLines | null> {
  if (isComponent(bytes) || !mayHaveLines(bytes, sourceMap)) return null;
  return (await loadLines()).readSourceLines(bytes, sourceMap);
}

async function check({ bytes, name, docsUrl, snapshot = null, sourceMap = null }: ToVet): Promise<CheckedProgram> {
  const lines = await linesOf(bytes, sourceMap);
  const options = { provided: providedFunctions, name, docsUrl, lines };
  if (snapshot !== null) return (await loadSnapshots()).checkWithSnapshot(bytes, options, snapshot);
  if (isComponent(bytes)) return (await loadComponents()).checkComponent(bytes, options);
  return { ...vetModule(bytes, options), report: null, abis: moduleAbis };
}

async function vet(request: ToVet): Promise<FromVet> {
  const startMs = performance.now();
  try {
    const checked = await check(request);
    const rewriteMs = performance.now() - startMs;
    const { name } = request;
    const { abis } = checked;
    const { compileMs, compiled, measures } = await measureModule(checked.bytes, checked.module, { name, abis });
    const { plan } = checked.module;
    if (plan.start !== null || plan.initialize !== null)
      await (await loadTrial()).tryStart(compiled, plan, { name, abis, limits: request.limits ?? defaultLimits });
    const { sourceMap = null } = request;
    const map = sourceMap === null ? {} : { sourceMap: createHash('sha256').update(sourceMap).digest('hex') };
    const module = { ...checked.module, ...map, ...measures };
    return { kind: 'vetted', module, bytes: checked.bytes, rewriteMs, compileMs, startUp: checked.report };
  } catch (error) {
    if (error instanceof PlatformError) {
      const { code, message, details, hints } = error;
      return { kind: 'refused', code, message, details, hints };
    }
    return { kind: 'failed', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

// Control has ended: there is nobody to report to.
process.on('disconnect', () => process.exit(0));

// Vets the smallest module that goes through every step: the code is loaded and warm before a push waits for it.
await vet({ bytes: compileH('h'), name: 'warm-up', docsUrl: '' });
// The first child of a control puts into the cache what the others load on demand.
if (process.argv[2] === 'everything') await Promise.all([loadSnapshots(), loadComponents(), loadTrial(), loadLines()]);
// Writes the cache now: the child is killed, so Node's own write at exit would never run.
flushCompileCache();
// The next children read the cache. Writing is forbidden from here on, before modules of strangers come.
process.permission?.drop('fs.write');

// Node keeps messages that arrive before this listener is set.
process.on('message', (request: ToVet) => {
  vet(request).then((answer) => process.send?.(answer));
});
process.send?.({ kind: 'ready' } satisfies FromVet);
