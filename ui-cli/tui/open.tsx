import type { Context } from '../context.ts';

export async function openTerminalInterface(_context: Context, _path: readonly string[]): Promise<number> {
  return 0;
}
