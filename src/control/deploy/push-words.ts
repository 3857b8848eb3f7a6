/** Makes the lines that a push prints step by step (docs/push.md). */

import { PlatformError } from '../../protocol/errors.ts';
import type { IncomingPush, RefUpdate } from '../../protocol/push.ts';
import {
  commandHint,
  count,
  detail,
  hintLine,
  shortCommit,
  shortPath,
  size,
  sizeChange,
  step,
  warning,
} from '../git/push-text.ts';
import type { Candidate } from './candidate.ts';
import type { Vetted } from './vet/messages.ts';

/** Returns the first line of a push: the branch or tag, its new commit and the one before. */
export function received(handler: string, update: RefUpdate): string {
  const what = update.ref.startsWith('refs/tags/')
    ? `tag ${shortPath(tagOf(update.ref))}`
    : shortPath(branchOf(update.ref));
  if (update.new === null) return step(`${handler}: deleted ${what}`);
  if (update.ref.startsWith('refs/tags/')) return step(`${handler}: received ${what} (tags deploy nothing)`);
  const was = update.old === null ? '' : ` (was ${shortCommit(update.old)})`;
  return step(`${handler}: received ${what} @ ${shortCommit(update.new)}${was}`);
}

/** Returns the lines for a push that was addressed to a former name of its handler; none for any other push. */
export function formerNameUsed({ formerName, handlerName }: IncomingPush): readonly string[] {
  if (formerName === null) return [];
  return [
    warning(`${formerName} is called ${handlerName} now; give the remote its new name:`),
    hintLine(`  git remote set-url wasmcloud SERVER/${handlerName}.git`),
  ];
}

/** Returns the line about the module that was found. `before`: bytes of the module that is live; null: none is. */
export function found({ modulePath, source, bytes }: Candidate, sha256: string, before: number | null): string {
  const change = before === null || before === bytes.length ? '' : `, ${sizeChange(bytes.length - before)}`;
  return `found ${shortPath(modulePath)} (${source === 'h' ? 'compiled: ' : ''}${size(bytes.length)}${change}, sha256 ${sha256.slice(0, 8)})`;
}

/** Returns the line about ABIs and imports, with the milliseconds of rewriting and compiling. */
export function validated({ module, rewriteMs, compileMs }: Vetted): string {
  const { abis, imports } = module.plan;
  const { component } = module;
  const ms = Math.max(1, Math.round(rewriteMs + compileMs));
  if (component !== undefined) {
    const entry = component.entry.replace(/\/(?:incoming-handler|handler|run)@/, ' ');
    return `validated: component, ${entry}, ${count(component.functions, 'import')}, all provided (${ms} ms)`;
  }
  const which = imports.length === 0 ? 'no imports' : `${count(imports.length, 'import')}, all provided`;
  return `validated: ${abis.join(' + ')}${abis.length === 0 ? '' : ', '}${which} (${ms} ms)`;
}

/** Returns the start-up's output, what the snapshot saves, and warnings of what it froze; '' without a snapshot. */
export function snapshotTaken({ module, startUp }: Pick<Vetted, 'module' | 'startUp'>): string {
  const { snapshot } = module;
  if (snapshot === undefined || startUp === null) return '';
  const { output, outputDropped, frozen, hasReadEnvironment } = startUp;
  const saved = snapshot.savedMs < 10 ? snapshot.savedMs.toFixed(1) : Math.round(snapshot.savedMs);
  return [
    ...output.map((line) => detail(`| ${line}`)),
    outputDropped === 0 ? '' : detail(`| and ${count(outputDropped, 'line')} more`),
    step(`snapshot: ${saved} ms of start-up saved per call, ${size(snapshot.bytes)}`),
    frozen.length === 0
      ? ''
      : warning(`the start-up calls ${frozen.join(', ')}: every call will see the same random numbers and times`),
    hasReadEnvironment
      ? warning('the start-up reads variables or arguments: if it keeps them, calls do not see those of their request')
      : '',
  ].join('');
}

/** Lines of a list that a push prints; further ones are counted. */
const listedMax = 10;

/**
 * Returns what a version may do that the live one may not (`newCapabilities`), one line each: the user who pushes sees
 * that a dependency has brought more than code.
 */
export function newlyAllowed(lines: readonly string[]): string {
  const more = lines.length - listedMax;
  return [...lines.slice(0, listedMax), ...(more > 0 ? [`and ${more} more`] : [])].map(step).join('');
}

/** Returns the warning about a branch that is pushed and not deployed. `why`: reason; null: previews are turned off. */
export function notDeployed(branch: string, deployBranch: string, why: string | null): string {
  const refs = `${branch}:${deployBranch}`;
  const argument = /^[\w./:@+-]+$/.test(refs) ? refs : `'${refs.replaceAll("'", "'\\''")}'`;
  return (
    warning(
      `${shortPath(branch)} is not the deploy branch (${deployBranch}); nothing deployed${why === null ? '' : `: ${why}`}`,
    ) + commandHint(`git push wasmcloud ${argument}`, 'deploys it')
  );
}

/** Returns the warning about a quota that is nearly used up. Parameters are in bytes. */
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
