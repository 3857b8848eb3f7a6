/** A vet child that a module has taken over: prints what the module can reach. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { codeOf } from './code-of.ts';

const inCheckout = (path: string) => new URL(`../../../${path}`, import.meta.url);

process.on('message', () => {
  const message = [
    `src:${codeOf(() => readFileSync(inCheckout('src/protocol/limits.ts')))}`,
    `checkout:${codeOf(() => readFileSync(inCheckout('README.md')))}`,
    // The answer is the same whether or not the file exists.
    `data:${codeOf(() => readFileSync(inCheckout('data/key')))}`,
    `system:${codeOf(() => readFileSync('/etc/hostname'))}`,
    `spawn:${codeOf(() => spawn('true'))}`,
    `env:${Object.keys(process.env)}`,
  ].join(' ');
  process.send?.({ kind: 'failed', message });
});
