/** A process that has a fleet, as a test has, and prints the runner's process id; to be killed. */
import { TestFleet } from './fleet.ts';

const fleet = new TestFleet();
await fleet.start();
process.stdout.write(`${fleet.runners[0]?.pid}\n`);
setInterval(() => {}, 60_000);
