/** CommonWA `runtime`: what the guest runs in, sleeping, ending. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Errno } from '../../errno.ts';
import { utf8 } from '../../memory.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { cwaRow, i32s } from './errno.ts';

/** Olin's conformance tests ask for just this name. */
export const runtimeName = 'olin';
const nameBytes = utf8(runtimeName);

/** runtime_spec_major() -> 0 */
export const runtimeSpecMajor = cwaRow({
  name: 'runtime_spec_major',
  params: [],
  waits: false,
  run: () => 0,
});

/** runtime_spec_minor() -> 1 */
export const runtimeSpecMinor = cwaRow({
  name: 'runtime_spec_minor',
  params: [],
  waits: false,
  run: () => 1,
});

/** runtime_name(ptr, len) -> bytes of the name, written to ptr. -2: it does not fit. */
export const runtimeNameCall = cwaRow({
  name: 'runtime_name',
  params: i32s('name_ptr', 'name_len'),
  waits: false,
  run: ({ memory }, pointer, length) => {
    memory.check(pointer, length);
    if (nameBytes.length > length >>> 0) return Errno.invalid;
    memory.put(pointer, nameBytes);
    return nameBytes.length;
  },
});

/** runtime_msleep(ms): suspends the guest, not the thread. Zero and less return at once. The deadline ends it. */
export const runtimeMsleep: Syscall = {
  name: 'runtime_msleep',
  params: i32s('ms'),
  result: null,
  waits: true,
  run: (guest: Process, ms: number) =>
    ms <= 0 ? undefined : sleep(ms, undefined, { signal: guest.signal }).then(() => undefined),
};

/** runtime_exit(status): ends the Process at once; never returns. */
export const runtimeExit: Syscall = {
  name: 'runtime_exit',
  params: i32s('status'),
  result: null,
  waits: false,
  run: (guest: Process, status: number) => guest.endNow({ kind: 'exit', status }),
};
