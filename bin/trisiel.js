#!/usr/bin/env node
// Launcher of the platform's own commands: runs them on the Node that package.json pins. Plain JavaScript for Node 14
// and later.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './pinned-node.js';

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const node = findNode(root);
const [command, ...rest] = process.argv.slice(2);
const usage = `Usage: trisiel serve
       trisiel node
       trisiel backup FILE [--since ARCHIVE]
       trisiel restore FILE [--base ARCHIVE]...
       trisiel doctor [--repair] [--json]
       trisiel config check|show [FILE]
       trisiel migrate --to postgres://USER@HOST:PORT/DATABASE
       trisiel migrate --to sqlite:FOLDER

serve    starts the platform in the foreground
node     starts one node of a cluster in the foreground (docs/cluster.md)
backup   writes everything that is kept into one archive, also while the platform runs
restore  unpacks an archive into an empty data folder, and an empty database
doctor   checks a data folder, says what is wrong and what to type; --repair does what is safe
config   checks the settings, or shows those that a start would use, secrets masked
migrate  moves a stopped platform from SQLite to PostgreSQL, or back into a new folder; goes on after a kill

Settings are environment variables, or stand in trisiel.toml: see docs/configuration.md. Users have their own command: wasmcloud.
`;

const isKnown = ['serve', 'node', 'backup', 'restore', 'doctor', 'config', 'migrate'].includes(command);
const wantsHelp = rest.includes('--help') || rest.includes('-h');
if (!isKnown || wantsHelp || (['serve', 'node'].includes(command) && rest.length > 0)) {
  const asked = command === undefined || wantsHelp || ['help', '--help', '-h'].includes(command);
  (asked ? process.stdout : process.stderr).write(usage);
  process.exitCode = asked ? 0 : 1;
} else if (node === null || !existsSync(join(root, 'node_modules', 'pino'))) {
  process.stderr.write(`trisiel: Node 26 is missing, it comes with the dependencies\nhint: cd "${root}" && npm ci\n`);
  process.exitCode = 1;
} else {
  const program = join(root, 'src', 'bin', command === 'config' ? 'config-command' : command);
  // An installed package has the sources as JavaScript.
  const file = existsSync(`${program}.ts`) ? `${program}.ts` : `${program}.js`;
  const child = spawn(node, [file, ...rest], { stdio: 'inherit' });
  // Ctrl-C at a terminal reaches both processes; control decides when all work is done.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('exit', (status, signal) => {
    process.exitCode = status === null ? 128 + (signal === 'SIGKILL' ? 9 : 15) : status;
  });
}
