/** Implements CommonWA 0.1 as Olin realised it. Rust and Zig guests import from `env`, others from `cwa`. */
import type { Abi } from '../../syscall.ts';
import { envGet } from './env.ts';
import { ioGetStderr, ioGetStdin, ioGetStdout } from './io.ts';
import { logWrite } from './log.ts';
import { randomI32, randomI64 } from './random.ts';
import {
  resourceClose,
  resourceCloseWithResult,
  resourceFlush,
  resourceOpen,
  resourceRead,
  resourceWrite,
} from './resource.ts';
import { runtimeExit, runtimeMsleep, runtimeName, runtimeSpecMajor, runtimeSpecMinor } from './runtime.ts';
import { startupArgAt, startupArgLen } from './startup.ts';
import { timeNow } from './time.ts';

export const cwa: Abi = {
  name: 'cwa',
  modules: ['cwa', 'env'],
  syscalls: [
    logWrite,
    envGet,
    runtimeSpecMajor,
    runtimeSpecMinor,
    runtimeName,
    runtimeMsleep,
    runtimeExit,
    startupArgLen,
    startupArgAt,
    resourceOpen,
    resourceRead,
    resourceWrite,
    resourceClose,
    resourceCloseWithResult,
    resourceFlush,
    timeNow,
    ioGetStdin,
    ioGetStdout,
    ioGetStderr,
    randomI32,
    randomI64,
  ],
};
