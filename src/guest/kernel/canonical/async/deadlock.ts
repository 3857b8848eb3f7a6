/** Tells whether the host may still do something for which the parts of a composed component wait. */
import type { Process } from '../../process.ts';
import { GuestChannel } from './channel.ts';
import { CopyEnd } from './copy-end.ts';
import { Subtask } from './subtask.ts';

/** Host work (Process.work) of looking at one handle, in bytes moved. */
const handleWork = 64;

/**
 * Returns whether a call of the host is in progress, or a copy whose other end the host has, or whether the guest waits
 * for the host to drop such an end. All other events come from code of the guest. Counts host work for each handle of
 * the guest.
 */
export function mayHostWake(guest: Process): boolean {
  const { handles } = guest.component;
  guest.work(handles.size * handleWork);
  const values = handles.values();
  const ends = new Map<object, number>();
  for (const value of values) if (value instanceof CopyEnd) ends.set(value.shared, (ends.get(value.shared) ?? 0) + 1);
  return values.some((value) => {
    if (value instanceof Subtask) return !value.isResolved;
    if (!(value instanceof CopyEnd)) return false;
    if (!(value.shared instanceof GuestChannel)) return value.isCopying;
    return (value.isCopying || value.isListening) && ends.get(value.shared) === 1;
  });
}
