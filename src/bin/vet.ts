/**
 * The vet child: reads, checks, meters, confines, compiles and measures one module, then waits to be killed. A module
 * that makes the engine take all memory, or all time, takes down this process only. Started by
 * src/control/deploy/vet/vet-child.ts with the permission model and without lazy compilation, so that a function that
 * cannot be compiled in time shows now and not in its first request.
 */

import { flushCompileCache } from 'node:module';
import type { FromVet, ToVet } from '../control/deploy/vet/messages.ts';
import { vetProgram } from '../guest/component/vet-program.ts';
import { compileH } from '../guest/hlang/compile.ts';
import { providedFunctions, providedInterfaces } from '../guest/kernel/abi/all.ts';
import { PlatformError } from '../protocol/errors.ts';
import { measureModule } from './measure-module.ts';

async function vet({ bytes, name, docsUrl }: ToVet): Promise<FromVet> {
  const startMs = performance.now();
  try {
    const vetted = vetProgram(bytes, { provided: providedFunctions, ...providedInterfaces, name, docsUrl });
    const rewriteMs = performance.now() - startMs;
    const { compileMs, ...measures } = await measureModule(vetted.bytes, vetted.module, { name });
    return { kind: 'vetted', module: { ...vetted.module, ...measures }, bytes: vetted.bytes, rewriteMs, compileMs };
  } catch (error) {
    if (error instanceof PlatformError) {
      const { code, message, details, hints } = error;
      return { kind: 'refused', code, message, details, hints };
    }
    return { kind: 'failed', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

// Control has gone: nobody is left to ask.
process.on('disconnect', () => process.exit(0));

// The smallest module that goes through every step: the code for them is loaded and warm before a push waits for it.
await vet({ bytes: compileH('h'), name: 'warm-up', docsUrl: '' });
// Written now: a child is killed, so Node would never write it at exit.
flushCompileCache();
// The next children run what lies in the cache. From here on, when modules of strangers come, nothing can be written.
process.permission?.drop('fs.write');

// Node keeps messages that arrive before this listener.
process.on('message', (request: ToVet) => {
  vet(request).then((answer) => process.send?.(answer));
});
process.send?.({ kind: 'ready' } satisfies FromVet);
