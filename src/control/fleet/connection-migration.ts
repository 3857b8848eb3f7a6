/** Whether Linux passes connections of a listener that closes to another one of the same port. */
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';

/** Setting of a network namespace of Linux 5.14 and later (kernel documentation, networking/ip-sysctl). */
const setting = 'net.ipv4.tcp_migrate_req';

/**
 * Logs what to set where it is off: a connection that a runner has not accepted yet when it closes its listener is
 * reset, although the runners that take over listen on the same port. Says nothing where the system has no such
 * setting. `folder` is the folder of the system's settings.
 */
export function suggestMigration(log: Pick<Logger, 'info'>, folder = '/proc/sys'): void {
  let value: string;
  try {
    value = readFileSync(`${folder}/${setting.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return;
  }
  if (value !== '0') return;
  log.info(
    { setting },
    `the system resets connections that arrive in the moment a runner ends; sysctl ${setting}=1 gives them to the next one`,
  );
}
