/** A process with a fleet, like a test, that prints the runner's process id and is killed by the test. */
import { TestFleet } from './fleet.ts';

const fleet = new TestFleet();
await fleet.start();
process.stdout.write(`${fleet.runners[0]?.pid}\n`);
setInterval(() => {}, 60_000);
