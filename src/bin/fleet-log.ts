/** Writes events of a fleet to the platform's own log. */
import type { Logger } from 'pino';
import type { FleetEvent } from '../control/fleet/options.ts';

/** Writes an event of the fleet to the platform's own log, at the level of its severity. */
export function logFleetEvent(log: Logger, event: FleetEvent): void {
  if (event.kind === 'runner_started') log.info(event, 'a runner serves');
  else if (event.kind === 'runner_stderr') log.info({ runnerId: event.runnerId, line: event.line }, 'runner');
  else if (event.kind === 'runner_ended') log.warn(event, `a runner ended: ${event.reason}`);
  else log.error(event, `${event.kind}: ${event.reason}`);
}
