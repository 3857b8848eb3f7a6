/** Started by permission.test.ts: calls the servers in its arguments and prints what they said. */
import { exchange, open, opened, readAll, world } from './net.ts';

const [http, ws, tcp] = process.argv.slice(2) as [string, string, string];
const { process: guest } = world([http, ws, tcp]);
const first = async (url: string) => {
  const one = guest();
  await open(one, url);
  return one.lines[0];
};
const result = {
  http: (await exchange(await opened(guest(), `http://${http}`), 'GET / HTTP/1.1\n\n')).text,
  ws: (await readAll(await opened(guest(), `ws://${ws}`))).text,
  tcp: (await readAll(await opened(guest(), `tcp://${tcp}`))).text,
  tls: await first(`tcp+tls://${tcp}`),
  name: await first('tcp://name.invalid:80'),
};
process.stdout.write(JSON.stringify(result), () => process.exit(0));
