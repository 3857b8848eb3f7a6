/**
 * Calls addresses until it is killed: `node attacker.ts WIDTH TOKEN URL…`. Makes WIDTH calls at a time, to the
 * addresses in turn, with TOKEN as bearer token (empty: none). It is a separate process with the lowest priority: a
 * real attacker has another machine, so its own work should take nothing from the platform or the measurement.
 */
import { constants, setPriority } from 'node:os';

const [width = '1', token = '', ...urls] = process.argv.slice(2);
setPriority(constants.priority.PRIORITY_LOW);
const headers: HeadersInit = token === '' ? {} : { authorization: `Bearer ${token}` };
let next = 0;

async function line(): Promise<never> {
  for (;;) {
    const url = urls[next % urls.length] as string;
    next += 1;
    // Continues after any answer.
    await fetch(url, { headers })
      .then((answer) => answer.arrayBuffer())
      .catch(() => {});
  }
}

for (let n = 0; n < Number(width); n += 1) void line();
