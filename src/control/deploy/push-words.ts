/** What a push says step by step (docs/push.md). */

import { PlatformError } from '../../protocol/errors.ts';
import type { RefUpdate } from '../../protocol/push.ts';
import { commandHint, count, shortCommit, shortPath, size, sizeChange, step, warning } from '../git/push-text.ts';
import type { Candidate } from './candidate.ts';
import type { Vetted } from './vet/messages.ts';

export function received(handler: string, update: RefUpdate): string {
  const what = update.ref.startsWith('refs/tags/')
    ? `tag ${shortPath(tagOf(update.ref))}`
    : shortPath(branchOf(update.ref));
  if (update.new === null) return step(`${handler}: deleted ${what}`);
  if (update.ref.startsWith('refs/tags/')) return step(`${handler}: received ${what} (tags deploy nothing)`);
  const was = update.old === null ? '' : ` (was ${shortCommit(update.old)})`;
  return step(`${handler}: received ${what} @ ${shortCommit(update.new)}${was}`);
}

export function found({ modulePath, source, bytes }: Candidate, sha256: string, before: number | null): string {
  const change = before === null || before === bytes.length ? '' : `, ${sizeChange(bytes.length - before)}`;
  return `found ${shortPath(modulePath)} (${source === 'h' ? 'compiled: ' : ''}${size(bytes.length)}${change}, sha256 ${sha256.slice(0, 8)})`;
}

export function validated({ module, rewriteMs, compileMs }: Vetted): string {
  const { abis, imports } = module.plan;
  const ms = Math.max(1, Math.round(rewriteMs + compileMs));
  const which = imports.length === 0 ? 'no imports' : `${count(imports.length, 'import')}, all provided`;
  return `validated: ${abis.join(' + ')}${abis.length === 0 ? '' : ', '}${which} (${ms} ms)`;
}

/** What is said of a branch that is pushed and not deployed. */
export function notDeployed(branch: string, deployBranch: string): string {
  const refs = `${branch}:${deployBranch}`;
  const argument = /^[\w./:@+-]+$/.test(refs) ? refs : `'${refs.replaceAll("'", "'\\''")}'`;
  return (
    warning(`${shortPath(branch)} is not the deploy branch (${deployBranch}); nothing deployed`) +
    commandHint(`git push wasmcloud ${argument}`, 'deploys it')
  );
}

/** Of a quota that is nearly used up, both in bytes. */
export function nearQuota(usedBytes: number, quotaBytes: number): string {
  const percent = Math.min(100, Math.floor((usedBytes / quotaBytes) * 100));
  return `${percent} % of the quota of ${size(quotaBytes)} is used; see wasmcloud quota`;
}

export function deleteRefused(handler: string, branch: string | null): PlatformError {
  return new PlatformError('conflict', `${branch} is the deploy branch and cannot be deleted`, {
    hints: [`to delete the handler: wasmcloud delete ${handler}`],
  });
}

export function branchOf(ref: string): string {
  return ref.replace(/^refs\/heads\//, '');
}

function tagOf(ref: string): string {
  return ref.replace(/^refs\/tags\//, '');
}
