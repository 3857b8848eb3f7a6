import { Box } from 'ink';
import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text } from '../../frame/Text.tsx';
import { useApp } from '../../frame/use-app.ts';
import { formatDate } from '../../text/format.ts';
import { wrap } from '../../text/width.ts';
import type { DangerTab } from './danger-tab.ts';

export function DangerView({ screen }: ScreenProps<DangerTab>) {
  const app = useApp();
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  const lines = linesOf(screen).flatMap(([key, text]) =>
    wrap(text, app.size.columns - 10).map(
      (line, i) => `${i === 0 ? key.padEnd(keyCells) : ' '.repeat(keyCells)}${line}`,
    ),
  );
  return (
    <Box flexDirection="column" paddingTop={1}>
      <Text bold color="red">
        {'   Danger zone'}
      </Text>
      <Text> </Text>
      <Lines lines={lines.map((line) => `  ${line}`)} />
    </Box>
  );
}

/** Cells of the column with the keys. */
const keyCells = 4;

/** Returns pairs of a key and what it does. */
function linesOf({ state, handler, offer }: DangerTab): readonly (readonly [string, string])[] {
  const { name } = handler;
  if (state === 'purged') return [['', `${name} is gone for good. Esc goes back to the others.`]];
  if (state === 'deleted')
    return [['', `${name} is deleted. R brings it back; after 30 days it is gone for good, P removes it at once.`]];
  const offered = offer.data;
  return [
    [
      'D',
      `Delete ${name}: it stops at once. Its repository, deployments, log and variables are kept for 30 days, in which it can be restored.`,
    ],
    ['', ''],
    ['P', 'Purge it: as above, and nothing is kept.'],
    ['', ''],
    [
      't',
      offered === null
        ? 'Transfer it: offer it to another user, who becomes its owner by accepting.'
        : `Take the offer back: it is offered to ${offered.to} until ${formatDate(offered.expiresMs)}.`,
    ],
    ['', ''],
    ['n', 'Rename it: the old name leads to the new one.'],
  ];
}
