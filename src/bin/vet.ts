/**
 * The vet child: reads, checks, meters, confines and test-compiles one module, then waits to be killed.
 * What blows up here (a compile bomb, a bug in the engine) blows up nothing else. Started by
 * src/control/deploy/vet.ts with the permission model and with lazy compilation off, so that a function that
 * cannot be compiled in time shows now and not in its first request.
 */

import { flushCompileCache } from 'node:module';
import type { FromVet, ToVet } from '../control/deploy/vet.ts';
import { compileH } from '../guest/hlang/compile.ts';
import { providedFunctions } from '../guest/kernel/abi/all.ts';
import { vetModule } from '../guest/wasm/rewrite.ts';
import { PlatformError } from '../protocol/errors.ts';
import { measureModule } from './measure-module.ts';

async function vet({ bytes, name, docsUrl }: ToVet): Promise<FromVet> {
  const startMs = performance.now();
  try {
    const vetted = vetModule(bytes, { provided: providedFunctions, name, docsUrl });
    const rewriteMs = performance.now() - startMs;
    const { compileMs, ...measures } = await measureModule(vetted.bytes, vetted.module, name);
    return { kind: 'vetted', module: { ...vetted.module, ...measures }, bytes: vetted.bytes, rewriteMs, compileMs };
  } catch (error) {
    if (error instanceof PlatformError) {
      const { code, message, details, hints } = error;
      return { kind: 'refused', code, message, details, hints };
    }
    return { kind: 'failed', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/** The smallest module that goes all the way: what it touches is loaded and warm before a push waits for it. */
const warmUp = compileH('h');

process.on('message', (request: ToVet) => {
  vet(request).then((answer) => process.send?.(answer));
});
// Nobody is left to ask: control has gone.
process.on('disconnect', () => process.exit(0));

await vet({ bytes: warmUp, name: 'warm-up', docsUrl: '' });
process.send?.({ kind: 'ready' } satisfies FromVet);
// Now, because children are killed: what Node would write at exit never would be.
flushCompileCache();
