/**
 * A control for faults 10 and 11: its second push kills it at the given step, as kill -9 would. Arguments: data folder,
 * step; for a control beside others also the URL of the PostgreSQL database and the control's id.
 */
import { startDoor } from './git-platform.ts';

const [dataFolder = '', step = '', url, controlId] = process.argv.slice(2);
let pushes = 0;

function die(here: string): void {
  if (pushes === 2 && step === here) process.kill(process.pid, 'SIGKILL');
}

const platform = await startDoor({
  dataFolder,
  ...(url === undefined || controlId === undefined ? {} : { database: { url }, controlId }),
  receiver: (deployments) => ({
    begin(push) {
      pushes += 1;
      const session = deployments.begin(push);
      return {
        async preReceive(objects, print, signal) {
          die('received');
          const accepted = await session.preReceive(objects, print, signal);
          die('accepted');
          return accepted;
        },
        async refsMoved(print) {
          die('moved');
          await session.refsMoved(print);
          die('told');
        },
        ended: () => session.ended(),
      };
    },
  }),
});

/** Kills the process before or after `name` of `target`. */
function around<K extends string>(target: Record<K, (...args: never[]) => Promise<unknown>>, name: K): void {
  const original = target[name].bind(target) as (...args: unknown[]) => Promise<unknown>;
  target[name] = (async (...args: unknown[]) => {
    die(`before ${name}`);
    const result = await original(...args);
    die(`after ${name}`);
    return result;
  }) as (typeof target)[K];
}

around(platform.vet, 'vet');
around(platform.artifacts, 'put');
around(platform.deployments.store, 'stage');
around(platform.fleet, 'prepare');
around(platform.deployments.store, 'release');
around(platform.repositories, 'pin');
around(platform.feed, 'release');

const user = await platform.user();
process.stdout.write(`${JSON.stringify({ url: platform.url, token: user.token })}\n`);
