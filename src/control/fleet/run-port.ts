/** Whether the functions' port can be had: free, or held by runners of our own that outlived control. */
import { get } from 'node:http';
import { createServer } from 'node:net';
import { PlatformError } from '../../protocol/errors.ts';

const probeTimeoutMs = 2_000;
const answerCharsMax = 4_096;

/** Throws `unavailable`, saying who has the port and what to do. Port 0 is always free. */
export async function checkRunPort(options: {
  readonly host: string;
  readonly port: number;
  readonly platformId: string;
}): Promise<void> {
  const { host, port, platformId } = options;
  if (port === 0) return;
  // Without reusePort, so that any other listener is noticed, one with reusePort included.
  const code = await tryToListen(host, port);
  if (code === null) return;
  if (code !== 'EADDRINUSE') {
    throw new PlatformError('unavailable', `cannot listen on ${host}:${port} (${code})`, {
      hints: ['set TRISIEL_HOST and TRISIEL_RUN_PORT to an address and a port this machine may use'],
    });
  }
  const owner = await askOwner(host, port);
  if (owner?.platformId === platformId) return;
  const who =
    owner === null
      ? 'another program'
      : `runners of another Trisiel${typeof owner.pid === 'number' ? ` (process ${owner.pid})` : ''}`;
  throw new PlatformError('unavailable', `port ${port} on ${host} is in use by ${who}`, {
    hints: ['stop it, or choose another port with TRISIEL_RUN_PORT (0 takes any free one)'],
  });
}

/** null when the port is free, else the system's error code. */
function tryToListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port }, () => server.close(() => resolve(null)));
  });
}

function askOwner(host: string, port: number): Promise<Readonly<Record<string, unknown>> | null> {
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new Promise((resolve) => {
    const request = get(
      { host: address, port, path: '/.trisiel/runner', agent: false, timeout: probeTimeoutMs },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
          if (text.length > answerCharsMax) request.destroy();
        });
        response.on('close', () => resolve(parse(text)));
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(null));
  });
}

function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'platformId' in value
      ? (value as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}
