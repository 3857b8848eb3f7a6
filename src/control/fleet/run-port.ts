/** Checks whether the functions' port is available: free, or held by runners of this platform that outlived control. */
import { get } from 'node:http';
import { createServer } from 'node:net';
import { PlatformError } from '../../protocol/errors.ts';
import { makeProbe, runnerProbe } from '../../protocol/runner-probe.ts';

/**
 * Milliseconds to wait for an answer. A runner on a loaded machine answers late, and without an answer it would look
 * like another program.
 */
const probeTimeoutMs = 5_000;

/** Throws `unavailable` that says which program has the port and what to do. Port 0 is always available. */
export async function checkRunPort(options: {
  readonly host: string;
  readonly port: number;
  readonly probeKey: string;
}): Promise<void> {
  const { host, port, probeKey } = options;
  if (port === 0) return;
  // Listens without reusePort, which notices any other listener, even one with reusePort.
  const code = await tryToListen(host, port);
  if (code === null) return;
  if (code !== 'EADDRINUSE') {
    throw new PlatformError('unavailable', `cannot listen on ${host}:${port} (${code})`, {
      hints: ['set TRISIEL_HOST and TRISIEL_RUN_PORT to an address and a port this machine may use'],
    });
  }
  const owner = await askOwner({ host, port, probeKey });
  if (owner === 'ours') return;
  const who = owner === 'trisiel' ? 'runners of another Trisiel' : 'another program';
  throw new PlatformError('unavailable', `port ${port} on ${host} is in use by ${who}`, {
    hints: ['stop it, or choose another port with TRISIEL_RUN_PORT (0 takes any free one)'],
  });
}

/** Tries to listen. Returns null when the port is free, else the system's error code. */
function tryToListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port }, () => server.close(() => resolve(null)));
  });
}

/**
 * Asks the process that holds the port. Returns `ours`: it holds the key; `trisiel`: it answers as a runner without the
 * key.
 */
function askOwner(options: {
  readonly host: string;
  readonly port: number;
  readonly probeKey: string;
}): Promise<'ours' | 'trisiel' | 'other'> {
  const { host, port } = options;
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const probe = makeProbe(options.probeKey);
  const headers = { [runnerProbe.askField]: probe.field };
  return new Promise((resolve) => {
    const request = get(
      { host: address, port, path: runnerProbe.path, headers, agent: false, timeout: probeTimeoutMs },
      (response) => {
        const proof = response.headers[runnerProbe.proofField];
        const isTrisiel = response.headers['trisiel-invocation'] !== undefined;
        response.destroy();
        if (probe.isAnsweredBy(String(proof))) resolve('ours');
        else resolve(isTrisiel ? 'trisiel' : 'other');
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve('other'));
  });
}
