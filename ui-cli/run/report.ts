/** Makes the report after the guest of `wasmcloud run` has ended, and the exit status. */
import type { LocalRunResult } from '../../src/guest/kernel/local-run.ts';
import type { ProcessEnd } from '../../src/guest/kernel/process-end.ts';
import { stackLines } from '../text/invocation.ts';
import { visible } from '../text/visible.ts';

/**
 * Returns the exit status: a guest's own status, else the shell's conventions: 128 + signal (SIGABRT, SIGKILL, SIGINT),
 * 124 as timeout(1). A policy violation is Olin's status -1.
 */
export function exitStatusOf(end: ProcessEnd): number {
  switch (end.kind) {
    case 'exit': {
      // The system keeps 8 bits; a failure must not become 0.
      const status = end.status & 0xff;
      return status === 0 && end.status !== 0 ? 1 : status;
    }
    case 'trap':
      return 134;
    case 'gas':
      return 137;
    case 'deadline':
      return 124;
    case 'policy':
      return 255;
    case 'aborted':
      return 130;
    case 'internal':
      return 1;
  }
}

/** Returns one line about an end that was no exit; null after an exit, when stderr belongs to the guest alone. */
export function explainEnd(end: ProcessEnd): string | null {
  switch (end.kind) {
    case 'exit':
      return null;
    case 'trap':
      return `error: the guest trapped: ${visible(end.message)}`;
    case 'gas':
      return `error: out of gas: ${end.limit} instructions were allowed (--gas)`;
    case 'deadline':
      return `error: the guest was still running after ${end.timeoutMs} ms (--timeout-ms)`;
    case 'policy':
      // The kernel's own log line has reported it.
      return null;
    case 'aborted':
      return `error: ${end.message}`;
    case 'internal':
      return `error: the kernel failed: ${end.cause instanceof Error ? (end.cause.stack ?? end.cause.message) : String(end.cause)}`;
  }
}

/** Returns lines about the functions that were running when the guest failed; none after an exit or Ctrl-C. */
export function stackOfEnd({ end, guest }: Pick<LocalRunResult, 'end' | 'guest'>): readonly string[] {
  return end.kind === 'exit' || end.kind === 'aborted' ? [] : stackLines(guest.stack);
}

/** Returns lines `name: value`. Times are in milliseconds, with microseconds after the point. */
export function statsLines({ usage, durationMs }: LocalRunResult): string[] {
  const calls = Object.entries(usage.syscalls);
  return [
    `gas: ${usage.gas}`,
    `syscalls: ${callCount(usage)}`,
    `memory-pages: ${usage.memoryPages}`,
    `time-ms: ${durationMs.toFixed(3)}`,
    ...calls.map(([name, { count }]) => `syscall.${name}: ${count}`),
    ...calls
      .filter(([, { waitMs }]) => waitMs > 0)
      .map(([name, { waitMs }]) => `wait-ms.${name}: ${waitMs.toFixed(3)}`),
    ...Object.entries(usage.io).flatMap(([scheme, { bytesIn, bytesOut }]) => [
      ...(bytesIn > 0 ? [`bytes-in.${scheme}: ${bytesIn}`] : []),
      ...(bytesOut > 0 ? [`bytes-out.${scheme}: ${bytesOut}`] : []),
    ]),
  ];
}

/** Returns the same figures, under the same names, as JSON. */
export function statsJson({ usage, durationMs, end }: LocalRunResult): string {
  return JSON.stringify({
    gas: usage.gas,
    syscalls: callCount(usage),
    'memory-pages': usage.memoryPages,
    'time-ms': Number(durationMs.toFixed(3)),
    calls: usage.syscalls,
    io: usage.io,
    end: end.kind,
    status: exitStatusOf(end),
  });
}

function callCount(usage: LocalRunResult['usage']): number {
  return Object.values(usage.syscalls).reduce((sum, { count }) => sum + count, 0);
}
