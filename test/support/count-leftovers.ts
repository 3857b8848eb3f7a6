/**
 * Counts objects that calls leave behind in a runner, into which it is loaded with --import (and --expose-gc). Writes
 * the counts to standard error as a line of JSON for each request of `/.leftovers`.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

export interface Leftovers {
  readonly leftovers: true;
  /** Number of requests that have begun, followed by those that have not closed; without the asking one. */
  readonly requests: number;
  readonly openRequests: number;
  /** Number of open connections, followed by the most listeners on one of them; without the asking one. */
  readonly connections: number;
  readonly connectionListeners: number;
  /** Listeners on the server and on the process. */
  readonly serverListeners: number;
  readonly processListeners: number;
  /** Timers that would keep the process alive, by process.getActiveResourcesInfo(). */
  readonly timers: number;
  /** All other active resources but connections. */
  readonly otherResources: number;
  /** Bytes of the heap after two full collections. */
  readonly heapBytes: number;
}

interface Started {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly server: Server;
}

const connections = new Set<Socket>();
let requests = 0;
let openRequests = 0;

subscribe('http.server.request.start', (message) => {
  const { request, socket, server } = message as Started;
  if (request.url === '/.leftovers') {
    setImmediate(() => process.stderr.write(`${JSON.stringify(leftovers(socket, server))}\n`));
    return;
  }
  requests += 1;
  openRequests += 1;
  request.once('close', () => {
    openRequests -= 1;
  });
  if (connections.has(socket)) return;
  connections.add(socket);
  socket.once('close', () => connections.delete(socket));
});

function leftovers(asking: Socket, server: Server): Leftovers {
  globalThis.gc?.();
  globalThis.gc?.();
  const others = [...connections].filter((socket) => socket !== asking);
  const resources = process.getActiveResourcesInfo();
  const timers = resources.filter((name) => name === 'Timeout').length;
  const transient = new Set(['Timeout', 'Immediate', 'TCPSocketWrap', 'TickObject', 'TTYWrap', 'PipeWrap']);
  return {
    leftovers: true,
    requests,
    openRequests,
    connections: others.length,
    connectionListeners: Math.max(0, ...others.map(listeners)),
    serverListeners: listeners(server),
    processListeners: listeners(process),
    timers,
    otherResources: resources.filter((name) => !transient.has(name)).length,
    heapBytes: process.memoryUsage().heapUsed,
  };
}

function listeners(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0);
}
