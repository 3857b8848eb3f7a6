/** The real vet child, taken over by a module that tries to write into the cache of compiled source. */
import { appendFileSync, globSync, writeFileSync } from 'node:fs';
import { codeOf } from './code-of.ts';
import '../../../src/bin/vet.ts';

const cache = process.env.NODE_COMPILE_CACHE ?? '';
process.prependListener('message', () => {
  const [some = `${cache}/none`] = globSync(`${cache}/**/*`).filter((path) => /\/[0-9a-f]+$/.test(path));
  const message = `write:${codeOf(() => writeFileSync(`${cache}/planted`, 'x'))} append:${codeOf(() => appendFileSync(some, 'x'))}`;
  process.send?.({ kind: 'failed', message });
});
