/** wasi:logging: writes lines into the handler's log. */
import { logLevels } from '../../../../../protocol/nouns.ts';
import { enumeration, func } from '../../../../component/wit.ts';
import { witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'critical';

/** Levels of log lines, as numbers. Levels below info have no names. */
const levels: Readonly<Record<Level, number>> = {
  trace: 8,
  debug: 7,
  info: logLevels.info,
  warn: logLevels.warning,
  error: logLevels.error,
  critical: logLevels.error,
};

/** Writes `message` to the log, one LogLine for each of its lines, with `context: ` before it if there is a context. */
const log = witRow(
  'log',
  func({
    level: enumeration('trace', 'debug', 'info', 'warn', 'error', 'critical'),
    context: 'string',
    message: 'string',
  }),
  (guest: Process, level: Level, context: string, message: string) => {
    const head = context === '' ? '' : `${context}: `;
    for (const line of message.split(/\r?\n/)) guest.log(levels[level], 'log', `${head}${line}`);
  },
);

const names = ['wasi:logging/logging@0.1.0-draft', 'wasi:logging/logging'];

export const logging = names.map((name) => witInterface('wasi2', name, [log]));
