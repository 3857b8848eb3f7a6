/**
 * Passes a request of git on to the control that holds the repository, body and answer as they come, and takes the
 * repository over when that control has ended. A passed request says so, signed with a key that only the controls of
 * one database have: its receiver believes the client's address in it, and never passes it on again.
 */
import { createHmac } from 'node:crypto';
import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { PlatformError } from '../../protocol/errors.ts';
import { sameSecret } from '../../protocol/same-secret.ts';
import { Turnstile } from '../../waiting/turnstile.ts';
import type { Exchange } from './exchange.ts';
import type { Home, LeasedHomes } from './leased-homes.ts';

export const forwardLimits = {
  /** Requests passed on at once. Each holds two connections and some buffers. */
  operations: 64,
  /** Requests of one user passed on at once. */
  operationsPerUser: 16,
  /** Requests that wait for that, in all and of one user. */
  waiting: 64,
  waitingPerUser: 8,
  waitingPerRepository: 64,
  turnMs: 30_000,
  /** Milliseconds within which the other control takes a connection: it is near. */
  connectMs: 2_000,
  /** Milliseconds for which a request waits for a control that does not answer to be lost, or back. */
  lostMs: 6_000,
  /** Milliseconds between two looks at the home of a repository. */
  lookMs: 200,
  /** Milliseconds without a byte in either direction after which a request is ended; longer than any step of a push. */
  idleMs: 180_000,
  /** Milliseconds for which the rest of a body is read after the answer. */
  lingerMs: 2_000,
} as const;

/** Field of a passed request: version, address of the client, and a signature. */
export const forwardedField = 'trisiel-forwarded';
const version = 'v1';

/** Fields that concern one connection (RFC 9110, 7.6.1), and those that the next connection gets anew. */
const hopFields: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export interface ForwarderOptions {
  readonly homes: Pick<LeasedHomes, 'self' | 'locate'>;
  /** Takes repositories over whose home is lost. */
  readonly keeper: { takeOver(repositoryId: string): Promise<void> };
  /** Id of this start of this control. */
  readonly bootId: string;
  /** Secret that the controls of one database have. */
  readonly key: Uint8Array;
  /** Returns the address of the client that sent a request, as if it were not passed on. */
  readonly addressOf: (req: IncomingMessage) => string;
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number;
}

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #turnstile = new Turnstile(forwardLimits);

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * Checks the signature of a passed request. Throws `bad_request` when it is not of a control of this database, is of
   * another version, or was meant for another start of a control.
   */
  check(req: IncomingMessage): void {
    const field = req.headers[forwardedField];
    if (field === undefined) return;
    const [given, address = '', signature = ''] = String(field).split(' ');
    const isRight = given === version && sameSecret(signature, this.#sign(req, address, this.#options.bootId));
    if (isRight) return;
    throw new PlatformError('bad_request', 'this request was not passed on by a server of this platform', {
      hints: ['try again'],
    });
  }

  /** Returns the address of the client of a checked request. */
  addressOf(req: IncomingMessage): string {
    const field = req.headers[forwardedField];
    if (field === undefined) return this.#options.addressOf(req);
    return decodeURIComponent(String(field).split(' ')[1] ?? '');
  }

  /**
   * Passes the request on if another control holds the repository. Returns false, with nothing read or written, when
   * this control holds it or has taken it over. Throws `unavailable` when its control neither answers nor is lost.
   */
  async forward(exchange: Exchange, repositoryId: string): Promise<boolean> {
    const { homes, keeper, now } = this.#options;
    const endMs = now() + forwardLimits.lostMs;
    for (;;) {
      let home = await homes.locate(repositoryId);
      if (home !== null && home.controlId !== homes.self && !home.isAlive) {
        await keeper.takeOver(repositoryId);
        home = await homes.locate(repositoryId);
      }
      if (home === null || home.controlId === homes.self) return false;
      if (exchange.req.headers[forwardedField] !== undefined) throw moving();
      if (home.isAlive && (await this.#pass(exchange, home, repositoryId))) return true;
      if (exchange.client.aborted) return true;
      if (now() > endMs) throw home.isAlive ? moving() : away();
      await after(forwardLimits.lookMs);
    }
  }

  /**
   * Returns false, with nothing read or written, when the control cannot be reached or does not begin to answer a GET.
   */
  async #pass(exchange: Exchange, home: Home, repositoryId: string): Promise<boolean> {
    const { user, client } = exchange;
    const leave = await this.#turnstile.enter({ userId: user.id, exclusive: null, signal: client });
    try {
      const url = new URL(home.url);
      const socket = await connected(url);
      if (socket === null) return false;
      return await this.#exchange(exchange, { home, url, socket, repositoryId });
    } finally {
      leave();
    }
  }

  async #exchange(
    { req, res, client, route }: Exchange,
    to: { readonly home: Home; readonly url: URL; readonly socket: Socket; readonly repositoryId: string },
  ): Promise<boolean> {
    const { home, url, socket, repositoryId } = to;
    const outgoing = request({
      createConnection: () => socket,
      method: req.method ?? 'GET',
      path: req.url ?? '/',
      headers: this.#headers(req, home, url),
    });
    outgoing.setTimeout(forwardLimits.idleMs, () => outgoing.destroy(new Error('no byte for too long')));
    const onGone = (): void => void outgoing.destroy();
    client.addEventListener('abort', onGone, { once: true });
    const isOver = new AbortController();
    const lost = this.#whenLost(repositoryId, home, isOver.signal);
    lost.then((isLost) => {
      if (isLost) outgoing.destroy(new Error('its control is lost'));
    });
    if (route.kind === 'advertise') outgoing.end();
    else req.pipe(outgoing);
    try {
      const incoming = await answerOf(outgoing);
      await relay({ req, res }, incoming);
      return true;
    } catch {
      req.unpipe(outgoing);
      outgoing.destroy();
      if (client.aborted) return true;
      if (res.headersSent) {
        // Half an answer must not look like a whole one.
        res.destroy();
        return true;
      }
      if (route.kind === 'advertise') return false;
      throw moving();
    } finally {
      isOver.abort();
      client.removeEventListener('abort', onGone);
    }
  }

  #headers(req: IncomingMessage, home: Home, url: URL): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {};
    for (const [name, value] of Object.entries(req.headers))
      if (!hopFields.has(name) && value !== undefined) headers[name] = value;
    if (req.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
    const address = encodeURIComponent(this.#options.addressOf(req));
    const signature = this.#sign(req, address, home.bootId);
    return { ...headers, host: url.host, connection: 'close', [forwardedField]: `${version} ${address} ${signature}` };
  }

  #sign(req: IncomingMessage, address: string, bootId: string): string {
    const parts = [version, bootId, req.method ?? '', req.url ?? '', req.headers.authorization ?? '', address];
    return createHmac('sha256', this.#options.key).update(parts.join('\0')).digest('hex');
  }

  /** Resolves with true when the control has been lost, with false when `signal` aborts. Never rejects. */
  async #whenLost(repositoryId: string, home: Home, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      await after(5 * forwardLimits.lookMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return false;
      const now = await this.#options.homes.locate(repositoryId).catch(() => home);
      if (now?.controlId !== home.controlId || now.bootId !== home.bootId || !now.isAlive) return true;
    }
  }
}

/** Returns an open connection; null when there is none within forwardLimits.connectMs. */
function connected(url: URL): Promise<Socket | null> {
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const socket = isTls ? connectTls({ host, port, servername: host }) : connect({ host, port });
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(null), forwardLimits.connectMs);
    const end = (result: Socket | null): void => {
      clearTimeout(timer);
      if (result === null) socket.destroy();
      resolve(result);
    };
    // Stays: an error after this promise shows as one of the request too.
    socket.on('error', () => end(null));
    socket.once(isTls ? 'secureConnect' : 'connect', () => end(socket));
  });
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.once('close', () => reject(new Error('the connection was closed')));
  });
}

/** Sends the answer of another control to the client. Rejects when it breaks off. */
async function relay({ req, res }: Pick<Exchange, 'req' | 'res'>, incoming: IncomingMessage): Promise<void> {
  res.statusCode = incoming.statusCode ?? 502;
  for (const [name, value] of Object.entries(incoming.headers))
    if (!hopFields.has(name) && value !== undefined) res.setHeader(name, value);
  // An answer before the end of the request: the client is told to stop sending, as by the other control.
  if (!req.complete) res.setHeader('connection', 'close');
  for await (const chunk of incoming)
    if (!res.write(chunk))
      await new Promise<void>((resolve) => {
        const done = (): void => {
          res.off('drain', done);
          res.off('close', done);
          resolve();
        };
        res.on('drain', done);
        res.on('close', done);
      });
  if (!req.complete) {
    req.unpipe();
    req.resume();
    await Promise.race([ended(req), ended(res), after(forwardLimits.lingerMs)]);
  }
  res.end();
  if (!req.complete) req.socket.destroySoon();
}

function ended(stream: IncomingMessage | Exchange['res']): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', resolve);
    stream.once('close', resolve);
  });
}

function moving(): PlatformError {
  return new PlatformError(
    'unavailable',
    'the repository of this handler is moving to another server of this platform',
    {
      hints: ['try again in a moment'],
      retryAfterSeconds: 3,
    },
  );
}

function away(): PlatformError {
  return new PlatformError('unavailable', 'the server of this platform that has the repository is away', {
    hints: ['its pushes are not recorded for other servers yet: start it again'],
    retryAfterSeconds: 30,
  });
}
