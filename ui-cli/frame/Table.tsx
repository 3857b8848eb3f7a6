import { Box } from 'ink';
import { type FitColumn, fitTable } from '../text/fit-table.ts';
import { Text, type TextProps } from './Text.tsx';
import { useApp } from './use-app.ts';

export type CellStyle = Pick<TextProps, 'color' | 'bold' | 'dimColor'>;

export interface TableRow {
  readonly key: string;
  readonly cells: readonly string[];
  readonly selected: boolean;
  /** Style of each column. */
  readonly styles?: readonly (CellStyle | undefined)[];
}

interface TableProps {
  readonly columns: readonly FitColumn[];
  readonly rows: readonly TableRow[];
}

/** Draws a heading and the visible rows. The selected row has a mark, so that it shows without colours too. */
export function Table({ columns, rows }: TableProps) {
  const { size } = useApp();
  const fitted = fitTable(
    columns,
    rows.map((row) => row.cells),
    size.columns - 4,
  );
  return (
    <Box flexDirection="column">
      <Box height={1}>
        <Text dimColor wrap="truncate">
          {'   '}
          {fitted.head.join('')}
        </Text>
      </Box>
      {rows.map((row, i) => (
        // Keys are screen positions, so that a scrolled list is rewritten in place.
        <Box key={i} height={1}>
          <Text wrap="truncate" inverse={row.selected}>
            {row.selected ? ' › ' : '   '}
            {(fitted.rows[i] ?? []).map((cell, at) => {
              const column = fitted.shown[at] ?? 0;
              return (
                <Text key={column} {...(row.selected ? { bold: true } : row.styles?.[column])}>
                  {cell}
                </Text>
              );
            })}
          </Text>
        </Box>
      ))}
    </Box>
  );
}
