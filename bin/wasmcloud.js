#!/usr/bin/env node
// Launcher of `wasmcloud`: plain JavaScript for Node 14 and later. The tool needs the Node that package.json pins, so
// any Node that runs this file starts the pinned one with the bundle, which this file builds first when it is missing
// or older than its sources.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode } from './pinned-node.js';

const launcher = realpathSync(fileURLToPath(import.meta.url));
const root = dirname(dirname(launcher));
const bundle = join(root, 'dist', 'wasmcloud.js');

const node = findNode(root);
if (node === null) fail(`wasmcloud: Node 26 is missing, it comes with the dependencies\nhint: cd "${root}" && npm ci`);
// An installed package has the bundle and no sources.
if (existsSync(join(root, 'ui-cli', 'build.ts')) && !isFresh()) rebuild();
start();

/** Returns whether the bundle is newer than all its sources, which dist/inputs.json lists. */
function isFresh() {
  try {
    const builtMs = statSync(bundle).mtimeMs;
    const inputs = JSON.parse(readFileSync(join(root, 'dist', 'inputs.json'), 'utf8'));
    return inputs.every((input) => statSync(join(root, input)).mtimeMs <= builtMs);
  } catch {
    return false;
  }
}

function rebuild() {
  const built = spawnSync(node, [join(root, 'ui-cli', 'build.ts')], { cwd: root, encoding: 'utf8' });
  if (built.status === 0) return;
  process.stderr.write(built.stderr || 'wasmcloud: the build failed\n');
  if (!existsSync(bundle)) fail(`hint: are the dependencies installed? cd "${root}" && npm ci`);
  process.stderr.write('warning: using the previous build\n');
}

function start() {
  const child = spawn(node, [bundle].concat(process.argv.slice(2)), {
    stdio: 'inherit',
    env: Object.assign({}, process.env, { WASMCLOUD_LAUNCHER: launcher }),
  });
  // Ctrl-C at a terminal reaches both processes; the child decides what it means.
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  ['SIGTERM', 'SIGHUP', 'SIGQUIT'].forEach((signal) => {
    process.on(signal, () => {
      child.kill(signal);
    });
  });
  child.on('error', (error) => {
    fail(`wasmcloud: cannot start ${node}: ${error.message}`);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
