import type { VariableView } from '../../src/protocol/views.ts';
import { formatAgo, formatBytes } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

/** Returns enough of a value to recognise it, never enough to use it. */
export function maskedValue({ bytes, tail }: Pick<VariableView, 'bytes' | 'tail'>): string {
  return `${'•'.repeat(8)}${visible(tail)} (${formatBytes(bytes)})`;
}

export function variableTable(variables: readonly VariableView[], nowMs: number): string[] {
  return table(
    [{ title: 'KEY' }, { title: 'VALUE' }, { title: 'CHANGED' }],
    variables.map((variable) => [visible(variable.key), maskedValue(variable), formatAgo(variable.updatedMs, nowMs)]),
  );
}
