/**
 * Calls addresses until it is killed: `node attacker.ts WIDTH TOKEN URL…`. WIDTH calls at a time, the addresses in
 * turn, TOKEN as bearer token (empty: none). A process of its own with the lowest priority: a real attacker has a
 * machine of his own, so his work on the requests should take nothing from the platform or from who measures.
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
    // An attacker goes on, whatever the answer.
    await fetch(url, { headers })
      .then((answer) => answer.arrayBuffer())
      .catch(() => {});
  }
}

for (let n = 0; n < Number(width); n += 1) void line();
