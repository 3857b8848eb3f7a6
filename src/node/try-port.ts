/** Tries whether anything listens at the port of another node's functions. */
import { connect } from 'node:net';
import { nodeLimits } from './limits.ts';
import type { Tried } from './peers.ts';

/**
 * Connects to the port of an http: or https: URL, and ends the connection. Resolves within nodeLimits.tryMs; never
 * rejects.
 */
export function tryPort(url: string): Promise<Tried> {
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === 'https:' ? 443 : 80;
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? usual : Number(port),
      timeout: nodeLimits.tryMs,
    });
    const settle = (tried: Tried): void => {
      socket.destroy();
      resolve(tried);
    };
    socket.on('connect', () => settle('listens'));
    socket.on('timeout', () => settle('unknown'));
    socket.on('error', (error) => settle('code' in error && error.code === 'ECONNREFUSED' ? 'refused' : 'unknown'));
  });
}
