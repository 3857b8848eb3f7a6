/** Finds what a start-up leaves outside of its instance, which a snapshot cannot hold. */
import type { DirectoryNode } from '../kernel/fs/node.ts';
import type { Process } from '../kernel/process.ts';

/** Most files that are listed by name. */
const namedMax = 10;

/**
 * Returns one line for each Resource that `guest` has opened and not closed, for closed Resources of `before` (those
 * open at its start), and for each file left in its scratch. Empty: the guest has left nothing.
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
