/** Finds a free port for programs that are told their port, or are started again on the same one. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Ports from which one is chosen. Below those that Linux, macOS and Windows give to connections and to servers that ask
 * for any port: nothing takes one of them by chance before the program that it is for.
 */
const ports = { least: 15_000, count: 15_000, triesMax: 1_000 } as const;

const given = new Set<number>();

/** Returns a port of 127.0.0.1 that was free a moment ago, another one each time. Throws where none is found. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < ports.triesMax; tries += 1) {
    const port = ports.least + randomInt(ports.count);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${ports.least} on`);
}

/** Returns whether a server can listen on the port of 127.0.0.1. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
