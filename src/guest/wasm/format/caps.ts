/**
 * Static caps: what a module may be, whatever it does. Each stands against a measured way to hurt
 * the machine that compiles or runs it (docs/safety.md), and lies above what real programs need.
 */
import { MIB, maximumLimits, pushLimits } from '../../../protocol/limits.ts';

export interface Cap {
  readonly limit: number;
  /** What is counted; reads as "its NOUN is VALUE, LIMIT at most". */
  readonly noun: string;
  readonly reason: string;
}

export const caps = {
  moduleBytes: {
    limit: pushLimits.moduleBytes,
    noun: 'size in bytes',
    reason: 'interpreters with their libraries reach 25 MB',
  },
  functions: {
    limit: 200_000,
    noun: 'number of functions',
    reason: 'interpreters have 12,000 to 40,000; each costs the runner a compilation',
  },
  bodyBytes: {
    limit: MIB,
    noun: 'body in bytes after metering',
    reason: 'optimising one huge straight-line function took over 59 s; the largest real one found has 323 KB',
  },
  localsTimesBranches: {
    limit: 2_000_000,
    noun: '(locals + operand depth) x branches',
    reason: 'compiling 49,000 locals x 2,000 ifs took 1.3 s and 2.3 GiB; real interpreters reach 940,632',
  },
  locals: {
    limit: 49_996,
    noun: 'number of locals',
    reason: 'the engine takes 50,000, and the meter adds up to four',
  },
  tables: {
    limit: 1,
    noun: 'number of tables',
    reason: '20 tables of 10 million entries ended the process after 12 s',
  },
  tableEntries: {
    limit: 65_536,
    noun: 'initial table size in entries',
    reason: 'large real programs use 6,000',
  },
  memories: { limit: 1, noun: 'number of memories', reason: 'the memory limit counts one memory' },
  memoryPages: {
    limit: maximumLimits.memoryPages,
    noun: 'initial memory in pages of 64 KiB',
    reason: 'no Limits allow more than 1 GiB',
  },
  mutableGlobals: {
    limit: 1_000,
    noun: 'number of mutable globals',
    reason: 'each is saved and set back between invocations; compilers make fewer than 10',
  },
} as const satisfies Record<string, Cap>;

export type CapName = keyof typeof caps;
