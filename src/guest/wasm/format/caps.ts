/**
 * Static caps: bounds on what a pushed module may contain. Each cap answers a measured way to hurt the machine that
 * compiles or runs the module (docs/safety.md), and lies above what real programs need.
 */
import { MIB, maximumLimits, pushLimits } from '../../../protocol/limits.ts';

/** A bound on one property of a module: `limit` is a number in the unit of `noun`. */
export interface Cap {
  readonly limit: number;
  /** Noun for the counted items, for the message "its NOUN is VALUE, LIMIT at most". */
  readonly noun: string;
  readonly reason: string;
}

export const caps = {
  moduleBytes: {
    limit: pushLimits.moduleBytes,
    noun: 'size in bytes',
    reason: 'interpreters with their libraries reach 25 MB, compilers 75 (LLVM), converters 59 (pandoc)',
  },
  functions: {
    limit: 200_000,
    noun: 'number of functions',
    reason: 'interpreters have 12,000 to 40,000; each costs the runner a compilation',
  },
  types: {
    limit: 10_000,
    noun: 'number of types',
    reason: 'the engine compares each with all others it knows; real programs have up to 120',
  },
  imports: {
    limit: 1_000,
    noun: 'number of imports',
    reason: 'each is bound for every slot; 800,000 held a runner for a second; real programs have up to 60',
  },
  exports: {
    limit: 20_000,
    noun: 'number of exports',
    reason:
      'each takes 1.3 µs of every instantiation; programs export fewer than 100, libraries linked with --export-all some thousands',
  },
  globals: {
    limit: 10_000,
    noun: 'number of globals',
    reason: 'each is set in every instantiation; real programs have up to 10, position-independent ones some hundreds',
  },
  tags: {
    limit: 1_000,
    noun: 'number of exception tags',
    reason: 'each is made anew in every instantiation; compilers make one or two',
  },
  tagValues: {
    limit: 4,
    noun: 'number of values that an exception carries',
    reason:
      'no limit counts what caught exceptions keep, and a stack holds 100,000 of them; compilers let them carry one',
  },
  elementSegments: {
    limit: 1_000,
    noun: 'number of element segments',
    reason: 'each is applied in every instantiation; compilers make one',
  },
  elements: {
    limit: 1_000_000,
    noun: 'number of entries in element segments',
    reason: 'each is set in every instantiation, which takes 0.2 µs; a table has no more',
  },
  dataSegments: {
    limit: 100_000,
    noun: 'number of data segments',
    reason: 'the engine takes no more; Go programs come close to it (esbuild: 98,450)',
  },
  constantInstructions: {
    limit: 500_000,
    noun: 'number of instructions in constant expressions',
    reason: 'they are run in every instantiation, outside of the gas limit; two for each data segment are usual',
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
    limit: 8,
    noun: 'number of tables',
    reason: '20 tables of 10 million entries ended the process after 12 s; linked components have 2',
  },
  tableEntries: {
    limit: pushLimits.tableEntries,
    noun: 'initial size of all tables in entries',
    reason: 'LLVM has 37,270, pandoc 707,047; each takes 40 bytes of every instance, which count as its memory does',
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
