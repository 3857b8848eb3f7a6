/** A platform as clients see it through a proxy that ends TLS (Caddy, nginx): calls, a push, a log tail. */
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { request } from 'node:https';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import type { LogFrame } from '../../src/protocol/nouns.ts';
import { git, makeRepo, type TestUser } from './e2e.ts';

/** Address of the test's client. */
export const clientAddress = '127.0.0.2';

/** Fields in which a client says that it is somebody else, over plain HTTP. */
export const forgedFields: Readonly<Record<string, string>> = {
  forwarded: 'for=192.0.2.66;proto=http',
  'x-forwarded-for': '192.0.2.66',
  'x-forwarded-proto': 'http',
};

export interface FrontAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

export interface HttpsFrontOptions {
  /** Port of the proxy on 127.0.0.1. */
  readonly port: number;
  /** Host of the API and of git. */
  readonly console: string;
  /** How the proxy's certificates are checked. */
  readonly tls: Pick<ConnectionOptions, 'ca' | 'rejectUnauthorized'>;
  /** Settings of git, `name=value`, by which it takes the certificates. */
  readonly gitSettings: readonly string[];
}

export class HttpsFront {
  readonly #options: HttpsFrontOptions;

  constructor(options: HttpsFrontOptions) {
    this.#options = options;
  }

  /** Makes a TLS connection to `host`, from clientAddress. */
  async secure(host: string, protocols: readonly string[] = ['http/1.1']): Promise<TLSSocket> {
    const { port, tls } = this.#options;
    const socket = connect({
      ...{ host: '127.0.0.1', port, servername: host, localAddress: clientAddress },
      ...tls,
      ALPNProtocols: [...protocols],
    });
    await once(socket, 'secureConnect');
    return socket;
  }

  /** Sends a GET over HTTP/1.1. */
  async get(host: string, path = '/', fields: Readonly<Record<string, string>> = {}): Promise<FrontAnswer> {
    const socket = await this.secure(host);
    const headers = { host: `${host}:${this.#options.port}`, ...fields };
    const asked = request({ createConnection: () => socket, path, headers }).end();
    const [response] = await once(asked, 'response');
    const body = Buffer.concat(await response.toArray()).toString();
    return { status: response.statusCode, headers: response.headers, body };
  }

  /** Sends a GET over HTTP/2. */
  async getHttp2(host: string, path: string): Promise<Omit<FrontAnswer, 'headers'>> {
    const socket = await this.secure(host, ['h2']);
    expect(socket.alpnProtocol).toBe('h2');
    const session = connectHttp2(`https://${host}:${this.#options.port}`, { createConnection: () => socket });
    try {
      const stream = session.request({ [constants.HTTP2_HEADER_PATH]: path });
      const [fields] = await once(stream, 'response');
      const body = Buffer.concat(await stream.toArray()).toString();
      return { status: Number(fields[constants.HTTP2_HEADER_STATUS]), body };
    } finally {
      session.close();
    }
  }

  /** Pushes a guest with one version of HTTP; returns what git printed. */
  async push(user: TestUser, handler: string, guest: Uint8Array, version: 'HTTP/1.1' | 'HTTP/2'): Promise<string> {
    const { console, port, gitSettings } = this.#options;
    const repo = await makeRepo({ 'a.wasm': guest });
    const url = `https://wasmcloud:${user.token}@${console}:${port}/${handler}.git`;
    const own = [`http.curloptResolve=${console}:${port}:127.0.0.1`, `http.version=${version}`, ...gitSettings];
    const result = await git(repo, ...own.flatMap((one) => ['-c', one]), 'push', url, 'main');
    expect(result.status, result.stderr).toBe(0);
    return result.stderr;
  }

  /**
   * Tails the log of a handler over a WebSocket while `work` runs; returns the first line that is not the platform's.
   */
  async firstLine(user: TestUser, handler: string, work: () => Promise<unknown>): Promise<string> {
    const { console, port, tls } = this.#options;
    const socket = new WebSocket(`wss://127.0.0.1:${port}/api/v1/handlers/${handler}/logs/stream?after=0`, {
      ...{ ...tls, servername: console },
      headers: { host: `${console}:${port}`, authorization: `Bearer ${user.token}` },
    });
    try {
      const line = new Promise<string>((resolve) => {
        socket.on('message', (data) => {
          const { lines } = JSON.parse(String(data)) as LogFrame;
          const own = lines.find(({ stream }) => stream !== 'platform');
          if (own !== undefined) resolve(own.text);
        });
      });
      await once(socket, 'open');
      await work();
      return await line;
    } finally {
      socket.terminate();
    }
  }
}
