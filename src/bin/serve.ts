/**
 * `npm start`, `trisiel serve`: runs the platform in the foreground. Prints one line on stdout when both ports serve;
 * the platform's own log goes to stderr as JSON lines. SIGTERM: finishes work, leaves the runners to the next start,
 * exits 0. SIGINT, or a second SIGTERM: also lets the runners finish, and ends them.
 */
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerReads } from '../control/fleet/runner-process.ts';
import { gitEnvironment } from '../control/git/git-environment.ts';
import { openTraceExporter } from '../control/traces/span-exporter.ts';
import { PlatformError } from '../protocol/errors.ts';
import { complain, settingsOfStart } from './command.ts';
import { readConfig } from './config.ts';
import { startControl } from './control.ts';
import { takeDataFolder } from './data-folder.ts';
import { serviceLog } from './service-log.ts';
import { ServiceManager } from './service-manager.ts';

const log = serviceLog();

await main().catch((error: unknown) => {
  if (!(error instanceof PlatformError)) log.fatal({ err: error }, 'the platform could not start');
  else {
    complain(error);
    if (error.code === 'internal') log.fatal({ err: error }, error.message);
  }
  process.exit(1);
});

async function main(): Promise<void> {
  const config = readConfig(settingsOfStart(log));
  const folder = takeDataFolder({
    path: config.dataFolder,
    readableByGuests: runnerReads.map((path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))),
  });
  process.on('exit', () => folder.release());
  const manager = ServiceManager.find({
    env: { ...process.env },
    onError: (error) => log.error({ err: error }, 'systemd cannot be told how the platform is'),
  });
  // Reads the environment, from which the secrets of the receiver are removed below.
  const traceExporter = config.traces === null ? null : await openTraceExporter();
  const environment = gitEnvironment({ base: process.env, execPath: process.execPath, dataFolder: folder.path });
  // git and its hooks inherit this environment, so every variable that they do not need is removed.
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);

  const starting = startControl({ config, gitEnvironment: environment, log, traceExporter });
  let isStopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    // The first process of a container ends all others with it: no runner could be left to a next start.
    const runners = signal === 'SIGINT' || isStopping || process.pid === 1 ? 'end' : 'stay';
    log.info({ signal, runners }, 'stopping: in-flight work is finished first');
    isStopping = true;
    manager?.stopping();
    // Stops during start-up too: runners of an earlier start must not be left behind.
    starting
      .then((control) => control.stop({ runners }))
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.fatal({ err: error }, 'stopping failed');
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  const control = await starting;
  if (isStopping) return;
  if (control.firstCode !== null) announceFirstAccount(control.firstCode, control.controlUrl);
  manager?.ready();
  process.stdout.write(`ready control=${control.controlUrl} run=${control.runUrl}\n`);
}

/** Prints how to make the first account. The command names the server unless wasmcloud talks to it by itself. */
function announceFirstAccount(code: string, serverUrl: string): void {
  const server = serverUrl === 'http://127.0.0.1:3002' ? '' : ` --server ${serverUrl}`;
  // npx would look for a package of that name in the registry where this one is installed, not cloned.
  const isInstalled = import.meta.filename.includes(`${sep}node_modules${sep}`);
  const command = `${isInstalled ? 'wasmcloud' : 'npx wasmcloud'} signup --invite ${code}${server}`;
  log.info({ code, command }, 'there is no account yet; the first one is made with this code');
  if (process.stderr.isTTY)
    process.stderr.write(`\n  No account yet. In another terminal, make the first one:\n\n    ${command}\n\n`);
}
