/**
 * Serves the live log as a WebSocket: GET /api/v1/handlers/NAME/logs/stream?after=CURSOR&grep=&level=
 * This file admits or refuses; log-reader.ts sends the lines.
 *
 * upgrade -> (401 403 404 400 429) | open -> frames … -> close
 * 4401 token revoked or expired, 4403 no longer allowed, 4404 handler deleted (within recheckMs when another control
 * did it), 1013 reader too slow, 1001 server stops
 */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { WebSocketServer } from 'ws';
import { PlatformError, toProblem } from '../../protocol/errors.ts';
import { checkHead } from '../../protocol/request-head.ts';
import type { Accounts } from '../accounts/accounts.ts';
import { newId, type RandomBytes } from '../accounts/secrets.ts';
import type { HandlerAccess } from '../handlers/access.ts';
import type { Handler, Handlers } from '../handlers/handlers.ts';
import type { Teams } from '../handlers/teams.ts';
import type { LogStore } from '../logs/log-store.ts';
import type { LogTail } from '../logs/log-tail.ts';
import { authenticate } from './authenticate.ts';
import { closeCodes, LogReader, type StreamLimits, streamLimits } from './log-reader.ts';
import type { Caller } from './operation.ts';
import { logStreamQuerySchema } from './schemas/records.ts';

export interface LogStreamDeps {
  readonly accounts: Accounts;
  readonly handlers: Pick<Handlers, 'inUse' | 'onDeleted'>;
  readonly access: Pick<HandlerAccess, 'handlerFor' | 'members'>;
  readonly teams: Pick<Teams, 'onLost'>;
  readonly logs: LogStore;
  readonly log: Logger;
  readonly randomBytes: RandomBytes;
  /** Origins whose pages may connect. Browsers always send an Origin, programs send none. */
  readonly allowedOrigins: () => readonly string[];
  readonly limits?: Partial<StreamLimits>;
}

export interface LogStreams {
  /** Number of open streams. */
  readonly open: number;
  /** Ends all streams with 1001 and refuses new ones. */
  close(): void;
}

/** Answers every upgrade on `server`: those to the log stream, and all others with 404. */
export function attachLogStream(server: Server, deps: LogStreamDeps): LogStreams {
  const limits = { ...streamLimits, ...deps.limits };
  const sockets = new WebSocketServer({
    noServer: true,
    // A compressor per reader costs memory (ws's own advice), for text on a local network.
    perMessageDeflate: false,
    maxPayload: limits.messageBytes,
    handleProtocols: chooseProtocol,
  });
  const streams = new Set<LogReader>();
  let stopping = false;
  let isSweeping = false;

  /** Throws `rate_limited` when the user, or all users, have as many streams as allowed. */
  const checkRoom = (userId: string): void => {
    const theirs = [...streams].filter((stream) => stream.userId === userId).length;
    if (theirs < limits.perUser && streams.size < limits.all) return;
    const most = theirs < limits.perUser ? `${limits.all} log streams of all users` : `${limits.perUser} log streams`;
    throw new PlatformError('rate_limited', `at most ${most} at once`, { retryAfterSeconds: 10 });
  };

  const admit = async (request: IncomingMessage): Promise<{ caller: Caller; handler: Handler; tail: LogTail }> => {
    if (stopping) throw new PlatformError('unavailable', 'the server stops', { retryAfterSeconds: 5 });
    checkHead(request);
    // Answers other paths without a query of the database.
    const [path = '', search = ''] = (request.url ?? '').split('?', 2);
    const name = /^\/api\/v1\/handlers\/([^/]+)\/logs\/stream$/.exec(path)?.[1];
    if (name === undefined) throw new PlatformError('not_found', 'there is no WebSocket at this path');
    const caller = await authenticate(deps.accounts, credentials(request));
    const { origin } = request.headers;
    if (origin !== undefined && !deps.allowedOrigins().includes(origin))
      throw new PlatformError('forbidden', 'pages of this origin may not connect');
    const handler = await deps.access.handlerFor(caller, 'streamLogs', decode(name));
    const query = logStreamQuerySchema.safeParse(queryOf(new URLSearchParams(search)));
    if (!query.success)
      throw new PlatformError('bad_request', `the query does not fit: ${query.error.issues[0]?.message}`, {
        details: query.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
      });
    await deps.logs.catchUp();
    const { field, ...filter } = query.data;
    const options = { ...filter, fields: field, userId: caller.user.id, tellsCaughtUp: true };
    return { caller, handler, tail: deps.logs.tail(handler, options) };
  };

  /**
   * Ends those of `asked` whose Token, role or handler was removed, by other controls too. While the database does not
   * answer, all stay open.
   */
  const sweep = async (asked: readonly LogReader[]): Promise<void> => {
    const handlerIds = [...new Set(asked.map(({ handlerId }) => handlerId))];
    try {
      const [tokens, handlers, members] = await Promise.all([
        deps.accounts.tokensInForce([...new Set(asked.map(({ tokenId }) => tokenId))]),
        deps.handlers.inUse(handlerIds),
        deps.access.members(handlerIds),
      ]);
      for (const stream of asked) {
        if (!tokens.has(stream.tokenId)) stream.close(closeCodes.revoked, 'token revoked');
        else if (!handlers.has(stream.handlerId)) stream.close(closeCodes.deleted, 'handler deleted');
        else if (!members.has(`${stream.handlerId} ${stream.userId}`))
          stream.close(closeCodes.forbidden, 'not allowed any more');
      }
    } catch (error) {
      deps.log.warn({ err: error }, 'the log streams could not be checked');
    }
  };

  /**
   * Ends a stream whose Token was revoked, whose user lost the role or was suspended, or whose handler was deleted
   * between the checks above and the registration of the stream: no event reaches it for that time.
   */
  const recheck = async (stream: LogReader, request: IncomingMessage, handler: string): Promise<void> => {
    try {
      const caller = await authenticate(deps.accounts, credentials(request));
      await deps.access.handlerFor(caller, 'streamLogs', handler);
    } catch (error) {
      const code = error instanceof PlatformError ? error.code : 'internal';
      if (code === 'unauthorized') return stream.close(closeCodes.revoked, 'token revoked');
      if (code === 'forbidden') return stream.close(closeCodes.forbidden, 'not allowed any more');
      // Somebody without a role gets this as well, and a handler may have a new name now.
      if (code === 'not_found') return sweep([stream]);
      deps.log.error({ err: error }, 'a log stream could not be checked');
      stream.close(closeCodes.internal, 'something failed on our side');
    }
  };

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    // Node hands the socket over without any error listener.
    socket.on('error', () => socket.destroy());
    let tail: LogTail | null = null;
    try {
      const admitted = await admit(request);
      tail = admitted.tail;
      const { caller, handler } = admitted;
      if (socket.destroyed) return tail.close();
      const reserved = tail;
      // Nothing is waited for from here until the stream is among the others.
      checkRoom(caller.user.id);
      let opened = false;
      // ws itself refuses an invalid handshake, and then never calls back.
      socket.once('close', () => {
        if (!opened) reserved.close();
      });
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        opened = true;
        const stream = new LogReader(webSocket, {
          caller,
          handler,
          tail: reserved,
          limits,
          log: deps.log,
        });
        streams.add(stream);
        void stream.ended.then(() => streams.delete(stream));
        void recheck(stream, request, handler.name);
      });
    } catch (error) {
      tail?.close();
      refuse(socket, error, deps);
    }
  };

  server.on('upgrade', (request, socket, head) => void upgrade(request, socket, head));
  const stopRevoked = deps.accounts.onTokenRevoked((tokenId) => {
    for (const stream of streams) if (stream.tokenId === tokenId) stream.close(closeCodes.revoked, 'token revoked');
  });
  const stopChanged = deps.accounts.users.onChanged(({ ownerId, isSuspended }) => {
    if (!isSuspended) return;
    for (const stream of streams)
      if (stream.userId === ownerId) stream.close(closeCodes.forbidden, 'this account is suspended');
  });
  const stopLost = deps.teams.onLost(({ handlerId, userId }) => {
    for (const stream of streams)
      if (stream.userId === userId && stream.handlerId === handlerId)
        stream.close(closeCodes.forbidden, 'not allowed any more');
  });
  const stopDeleted = deps.handlers.onDeleted((handlerId) => {
    for (const stream of streams)
      if (stream.handlerId === handlerId) stream.close(closeCodes.deleted, 'handler deleted');
  });
  const sweeping = setInterval(() => {
    if (streams.size === 0 || isSweeping) return;
    isSweeping = true;
    void sweep([...streams]).finally(() => {
      isSweeping = false;
    });
  }, limits.recheckMs);
  sweeping.unref();
  return {
    get open() {
      return streams.size;
    },
    close() {
      stopping = true;
      stopRevoked();
      stopChanged();
      stopLost();
      stopDeleted();
      clearInterval(sweeping);
      for (const stream of streams) stream.close(closeCodes.stopping, 'the server stops');
    },
  };
}

/**
 * Returns the credentials of an upgrade: the Authorization header or, for browsers, which cannot set one, the
 * subprotocol `bearer.TOKEN`. Never the URL, since URLs are logged.
 */
function credentials(request: IncomingMessage): string | undefined {
  if (request.headers.authorization !== undefined) return request.headers.authorization;
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((text) => text.trim());
  const bearer = offered.find((text) => text.startsWith('bearer.'));
  return bearer === undefined ? undefined : `Bearer ${bearer.slice('bearer.'.length)}`;
}

/**
 * Chooses the subprotocol of the answer. A client that offers another one beside `bearer.TOKEN` gets that one, so that
 * the Token is not repeated in the answer.
 */
function chooseProtocol(offered: Set<string>): string | false {
  for (const protocol of offered) if (!protocol.startsWith('bearer.')) return protocol;
  const [first] = offered;
  return first ?? false;
}

/** Returns the query as an object. A key that comes twice becomes a list, which only `field` may be. */
function queryOf(params: URLSearchParams): Readonly<Record<string, string | readonly string[]>> {
  const keys = [...new Set(params.keys())];
  return Object.fromEntries(
    keys.map((key) => {
      const values = params.getAll(key);
      const [only] = values;
      return [key, only !== undefined && values.length === 1 ? only : values];
    }),
  );
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function refuse(socket: Duplex, error: unknown, deps: LogStreamDeps): void {
  const id = newId('q', deps.randomBytes);
  const problem = toProblem(error, id);
  if (problem.status >= 500) deps.log.error({ request: id, err: error }, 'an upgrade failed');
  const body = JSON.stringify(problem);
  const retry = error instanceof PlatformError ? error.retryAfterSeconds : undefined;
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
    `trisiel-request: ${id}`,
    ...(problem.status === 401 ? ['www-authenticate: Bearer realm="trisiel"'] : []),
    ...(retry === undefined ? [] : [`retry-after: ${retry}`]),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // Destroys the connection of a client that has not closed its side by then.
  const timer = setTimeout(() => socket.destroy(), streamLimits.closeMs);
  socket.once('close', () => clearTimeout(timer));
}
