/** A vet child in which the module has won: what it can reach. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'allowed';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

process.on('message', () => {
  const message = [
    codeOf(() => readFileSync('/etc/hostname')),
    codeOf(() => spawn('true')),
    ...Object.keys(process.env),
  ].join(' ');
  process.send?.({ kind: 'failed', message });
});
