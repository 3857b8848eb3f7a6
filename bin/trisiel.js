#!/usr/bin/env node
// `trisiel serve`: the platform in the foreground, on the Node that package.json pins.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './pinned-node.js';

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const node = findNode(root);
const [command, ...rest] = process.argv.slice(2);

if (command !== 'serve' || rest.length > 0) {
  const asked = command === undefined || command === 'help' || command === '--help' || command === '-h';
  const usage =
    'Usage: trisiel serve\n\nStarts the platform in the foreground. Settings are environment variables: see README.md.\n' +
    'Users have their own command: wasmcloud.\n';
  (asked ? process.stdout : process.stderr).write(usage);
  process.exitCode = asked ? 0 : 1;
} else if (node === null) {
  process.stderr.write(`trisiel: Node 26 is missing, it comes with the dependencies\nhint: cd "${root}" && npm ci\n`);
  process.exitCode = 1;
} else {
  const child = spawn(node, [join(root, 'src/bin/serve.ts')], { stdio: 'inherit' });
  // Ctrl-C at a terminal reaches both processes; control decides when all is done.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (status, signal) => {
    process.exitCode = status === null ? 128 + (signal === 'SIGKILL' ? 9 : 15) : status;
  });
}
