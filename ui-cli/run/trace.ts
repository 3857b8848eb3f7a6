/** `--trace`: prints one line per system call, with arguments and result, like strace. */
import type { Process } from '../../src/guest/kernel/process.ts';
import type { Syscall, SyscallValue, Tracer } from '../../src/guest/kernel/syscall.ts';
import { safeJson } from '../text/visible.ts';

/** Bytes of a string or buffer that a line shows. */
const shownBytes = 32;

const decoder = new TextDecoder();

/**
 * Makes a tracer that prints a line when a call ends, so that arguments and result of a waiting call are on one line.
 */
export function lineTracer(write: (line: string) => void): Tracer {
  return {
    call: () => undefined,
    done: (guest, syscall, args, result) => {
      const said = result instanceof Error ? `? (${result.message})` : result === undefined ? '' : String(result);
      write(`${syscall.name}(${showArguments(guest, syscall, args, result)})${said === '' ? '' : ` = ${said}`}`);
    },
  };
}

/** Formats arguments: `data_ptr` and `data_len` become one buffer; numbers stay numbers. */
export function showArguments(
  guest: Process,
  syscall: Syscall,
  args: readonly SyscallValue[],
  result: SyscallValue | Error,
): string {
  const shown: string[] = [];
  for (let i = 0; i < syscall.params.length; i += 1) {
    const { name } = syscall.params[i] as Syscall['params'][number];
    const stem = name.endsWith('_ptr') ? name.slice(0, -4) : null;
    if (stem !== null && syscall.params[i + 1]?.name === `${stem}_len`) {
      shown.push(`${stem}=${showBuffer(guest, Number(args[i]), Number(args[i + 1]), filled(stem, result))}`);
      i += 1;
    } else {
      shown.push(`${name}=${args[i]}`);
    }
  }
  return shown.join(', ');
}

/**
 * Returns the number of valid bytes, from the result, of a buffer that a call fills or takes in part; null for other
 * buffers.
 */
function filled(stem: string, result: SyscallValue | Error): number | null {
  if (stem !== 'data' && stem !== 'value' && stem !== 'arg' && stem !== 'name') return null;
  return typeof result === 'number' ? Math.max(0, result) : 0;
}

function showBuffer(guest: Process, pointer: number, length: number, used: number | null): string {
  const at = `0x${(pointer >>> 0).toString(16)}[${length >>> 0}]`;
  const size = Math.min(length >>> 0, used ?? Number.POSITIVE_INFINITY);
  const { all } = guest.memory;
  if ((pointer >>> 0) + size > all.length || size === 0) return at;
  const bytes = all.subarray(pointer >>> 0, (pointer >>> 0) + Math.min(size, shownBytes));
  return `${at} ${safeJson(decoder.decode(bytes))}${size > shownBytes ? '…' : ''}`;
}
