/** Finds what a start-up has left outside of its instance: a snapshot cannot hold it. */
import type { DirectoryNode } from '../kernel/fs/node.ts';
import type { Process } from '../kernel/process.ts';

/** Names of files that are listed. */
const namedMax = 10;

/**
 * Returns a line for each thing that `guest` has opened and not closed, has closed of what it was given (`before`), and
 * has written into its scratch. Empty: a new Process has the same.
 */
export function whatIsLeft(guest: Process, before: ReadonlySet<unknown>): readonly string[] {
  const open = guest.descriptors.list();
  const lines: string[] = [];
  for (const [fd, resource] of open.entries())
    if (resource !== undefined && !before.has(resource)) lines.push(`descriptor ${fd} is open (${resource.scheme}:)`);
  const still = new Set<unknown>(open);
  const closed = [...before].filter((resource) => resource !== undefined && !still.has(resource)).length;
  if (closed > 0) lines.push('a standard stream or the root directory was closed');
  const files = guest.filesOpened === null ? [] : namesIn(guest.filesOpened.scratch, '/tmp');
  for (const name of files.slice(0, namedMax)) lines.push(`the file ${name} was left in scratch`);
  if (files.length > namedMax) lines.push(`and ${files.length - namedMax} more`);
  return lines;
}

function namesIn(directory: DirectoryNode, path: string): string[] {
  const listing = directory.list();
  if (typeof listing === 'number') return [];
  const names: string[] = [];
  for (let entry = listing.entry(0); entry !== null; entry = listing.entry(entry.next))
    names.push(`${path}/${entry.name}`);
  return names;
}
