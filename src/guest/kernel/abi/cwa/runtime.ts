/** Implements CommonWA `runtime`: facts about the runtime, sleeping, ending. */
import { Errno } from '../../errno.ts';
import { utf8 } from '../../memory.ts';
import type { Process } from '../../process.ts';
import type { Syscall } from '../../syscall.ts';
import { cwaRow, i32s } from './errno.ts';

/** The runtime's name, which Olin's conformance tests ask for. */
export const nameOfRuntime = 'olin';
const nameBytes = utf8(nameOfRuntime);

/** Returns the major version of the CommonWA specification that is implemented: 0. */
export const runtimeSpecMajor = cwaRow({
  name: 'runtime_spec_major',
  params: [],
  waits: false,
  run: () => 0,
});

/** Returns the minor version of the CommonWA specification that is implemented: 1. */
export const runtimeSpecMinor = cwaRow({
  name: 'runtime_spec_minor',
  params: [],
  waits: false,
  run: () => 1,
});

/**
 * Writes the runtime's name, `olin`, to `name_ptr`. Returns its length in bytes, 4. The name is Olin's because its
 * conformance tests ask for it.
 *
 * Errors: -2 the name does not fit into `name_len` bytes.
 */
export const runtimeName = cwaRow({
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

/**
 * Suspends the guest, not the thread, for `ms` milliseconds. Returns at once if `ms` is 0 or negative. The Invocation's
 * deadline ends a longer sleep.
 */
export const runtimeMsleep: Syscall = {
  name: 'runtime_msleep',
  params: i32s('ms'),
  result: null,
  waits: true,
  run: (guest: Process, ms: number) => (ms <= 0 ? undefined : sleep(guest, ms)),
};

/** Resolves after `ms` milliseconds, and never if the Process ends first: its timer ends with it. */
function sleep(guest: Process, ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      forget();
      resolve(undefined);
    }, ms);
    const forget = guest.atEnd(() => clearTimeout(timer));
  });
}

/** Ends the Process with `status`; never returns. Open descriptors are closed and written bytes are committed. */
export const runtimeExit: Syscall = {
  name: 'runtime_exit',
  params: i32s('status'),
  result: null,
  waits: false,
  run: (guest: Process, status: number) => guest.endNow({ kind: 'exit', status }),
};
