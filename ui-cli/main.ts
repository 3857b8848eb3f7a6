/**
 * Entry of the command line tool. Modules are imported when they are needed: the credential helper runs at every push
 * and must not wait for Ink (380 ms) or commander.
 */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { readEnvironment } from './environment.ts';
import { isSingleFile } from './single-file.ts';

/** Defined by build.ts; undefined when run from source, without a bundle. */
declare const WASMCLOUD_VERSION: string | undefined;

const environment = readEnvironment(process.env, {
  stdinIsTty: process.stdin.isTTY === true,
  stdoutIsTty: process.stdout.isTTY === true,
});

// Ink supports FORCE_COLOR only, and its colour library reads it while it is imported.
if (environment.noColor) process.env.FORCE_COLOR = '0';

// A reader that closes the pipe early (`wasmcloud logs x | head`) is no error.
process.stdout.on('error', quietOnEpipe);
process.stderr.on('error', quietOnEpipe);

const words = process.argv.slice(2);
if (words[0] === 'git-credential') {
  const { runGitCredential } = await import('./git-credential-run.ts');
  await runGitCredential(environment, words[1] ?? '');
} else {
  // Keeps compiled code beside the bundle, where only its owner can write; on failure none is kept. A single file has
  // no folder of its own.
  if (typeof WASMCLOUD_VERSION === 'string' && !isSingleFile) enableCompileCache(join(import.meta.dirname, 'cache'));
  const { runCommandLine } = await import('./program.ts');
  process.exitCode = await runCommandLine(environment, words);
}

function quietOnEpipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}
