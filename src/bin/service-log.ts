/** The log of a program that runs in the foreground for long: JSON lines on stderr. */
import { type Logger, pino } from 'pino';

/**
 * Returns the log, and writes errors into it that nobody caught: after an uncaught exception the program ends
 * with status 70. Its state is unknown then. Runners go on serving, and the supervisor starts the program again.
 */
export function serviceLog(): Logger {
  const log = pino({ base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
  // The reader of stdout may go away before this process ends.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'unhandled rejection'));
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(70);
  });
  return log;
}
