/**
 * The API of Trisiel for JavaScript programs, Node 20 or later. Types are in client.d.ts; operations.js and api.d.ts
 * are written from the OpenAPI document (build.ts). Plain JavaScript, since Node strips no types in installed packages.
 */
import { WebSocket } from 'ws';
import { operations } from './operations.js';

/** A refusal or a failure, with the code that stays the same. `unreachable`: there was no answer. */
export class TrisielError extends Error {
  constructor(message, { code, status, hints = [], details = [], id, retryAfterSeconds, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TrisielError';
    this.code = code;
    this.status = status;
    this.hints = hints;
    this.details = details;
    this.id = id;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Close codes of the log's WebSocket after which another attempt would end in the same way. */
const finalCloses = { 4401: 'unauthorized', 4403: 'forbidden', 4404: 'not_found' };
/** Milliseconds of the first pause before a reconnect, and of the longest. */
const pauseMs = { first: 250, longest: 10_000 };
/** Milliseconds without a pong after which a connection counts as lost. */
const heartbeatMs = 15_000;
/** Frames of a log that wait for their reader. A reader that is slower makes the server count drops. */
const framesMax = 64;

/** Makes a client. `server`: base URL; `token`: absent for what is open to everybody. */
export function createClient({ server, token = null, fetch: send = globalThis.fetch }) {
  const base = server.replace(/\/+$/, '');
  const target = { base, token, send };
  const calls = Object.entries(operations).map(([id, operation]) => [
    id,
    (input = {}, options = {}) => call(target, operation, input, options),
  ]);
  return Object.freeze({
    ...Object.fromEntries(calls),
    server: base,
    token,
    pages: (id, input = {}, options = {}) => pages(target, id, input, options),
    tail: (name, options = {}) => tail(target, name, options),
  });
}

/** Logs in and returns a client with the new Token. Throws TrisielError, `code_required` where a second factor asks. */
export async function logIn({ server, name, password, code, label = 'a program', fetch: send }) {
  const where = send === undefined ? { server } : { server, fetch: send };
  const body = { name, password, label, ...(code === undefined ? {} : { code }) };
  const { token } = await createClient(where).logIn({ body });
  return createClient({ ...where, token });
}

async function call({ base, token, send }, operation, input, { signal, idempotencyKey, ifMatch, type }) {
  const { query = {}, body, ...params } = input;
  const headers = {
    accept: operation.answer === 'stream' ? '*/*' : 'application/json',
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
    ...(operation.body === 'json' ? { 'content-type': 'application/json' } : {}),
    ...(operation.body === 'bytes' ? { 'content-type': type ?? 'application/octet-stream' } : {}),
  };
  const request = {
    method: operation.method,
    headers,
    signal,
    // A redirect would carry the Token elsewhere.
    redirect: 'error',
    ...(operation.body === 'json' ? { body: JSON.stringify(body ?? {}) } : {}),
    ...(operation.body === 'bytes' ? { body, duplex: 'half' } : {}),
  };
  const answer = await send(urlOf(base, operation.path, params, query), request).catch((cause) => {
    if (signal?.aborted) throw cause;
    throw new TrisielError(`${base} does not answer`, { code: 'unreachable', cause });
  });
  if (!answer.ok) throw await errorOf(answer);
  if (operation.answer === 'stream') return answer;
  if (answer.status === 204 || operation.answer === 'none') return undefined;
  return answer.json();
}

function urlOf(base, path, params, query) {
  const filled = path.replace(/\{(\w+)\}/g, (_all, name) => {
    if (params[name] === undefined) throw new TypeError(`${path} needs ${name}`);
    return encodeURIComponent(params[name]);
  });
  const url = new URL(`${base}/api/v1${filled}`);
  for (const [name, value] of Object.entries(query))
    for (const one of [value].flat()) if (one !== undefined) url.searchParams.append(name, String(one));
  return url;
}

async function errorOf(answer) {
  const text = await answer.text();
  const after = answer.headers.get('retry-after');
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // Something between here and the server has answered.
  }
  return new TrisielError(problem.detail ?? `the server answered ${answer.status}`, {
    ...problem,
    code: problem.code ?? 'not_ours',
    status: answer.status,
    ...(after === null ? {} : { retryAfterSeconds: Number(after) }),
  });
}

/** Yields the answers of a list, page by page, to its end. */
async function* pages(target, id, input, options) {
  const operation = operations[id];
  if (!operation?.paged) throw new TypeError(`${id} has no pages`);
  for (let after = input.query?.after; ; ) {
    const query = { ...input.query, ...(after === undefined ? {} : { after }) };
    const page = await call(target, operation, { ...input, query }, options);
    yield page;
    if (page.next === null) return;
    after = page.next;
  }
}

/**
 * Yields frames of a handler's log, live: lines above the cursor `after`, then new ones as they come. A lost connection
 * is made again at the last cursor, so no line is missed and none comes twice. Ends with the signal; throws
 * TrisielError where another attempt would be refused too.
 */
async function* tail(target, name, { after = 0, signal, ...query }) {
  let cursor = after;
  for (let attempts = 0; ; ) {
    const ended = { code: 0, error: null };
    for await (const frame of frames(target, name, { ...query, after: cursor }, signal, ended)) {
      attempts = 0;
      const lines = frame.lines.filter((line) => line.cursor > cursor);
      cursor = lines.at(-1)?.cursor ?? cursor;
      if (lines.length > 0 || frame.dropped > 0) yield { lines, dropped: frame.dropped, cursor };
    }
    if (signal?.aborted) return;
    const refusal = finalCloses[ended.code];
    if (refusal !== undefined) throw new TrisielError(ended.error ?? 'the server ended the log', { code: refusal });
    if (ended.error instanceof TrisielError) throw ended.error;
    const most = Math.min(pauseMs.longest, pauseMs.first * 2 ** Math.min(attempts++, 10));
    await pause(most * (0.5 + Math.random() / 2), signal);
    if (signal?.aborted) return;
  }
}

/** Yields the frames of one connection; tells in `ended` why there are no more. */
async function* frames({ base, token }, name, query, signal, ended) {
  const url = urlOf(base, operations.streamLogs.path, { name }, query);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, { headers: token === null ? {} : { authorization: `Bearer ${token}` } });
  const waiting = [];
  let wake = () => {};
  let isOpen = true;
  const end = () => {
    isOpen = false;
    wake();
  };
  const abort = () => socket.terminate();
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  let answered = true;
  const heartbeat = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, heartbeatMs);
  socket.on('pong', () => {
    answered = true;
  });
  socket.on('message', (data) => {
    waiting.push(JSON.parse(data.toString()));
    if (waiting.length >= framesMax) socket.pause();
    wake();
  });
  socket.on('unexpected-response', async (_request, response) => {
    const chunks = await response.toArray().catch(() => []);
    const headers = new Headers(
      response.headers['retry-after'] ? { 'retry-after': response.headers['retry-after'] } : {},
    );
    const error = await errorOf(new Response(Buffer.concat(chunks), { status: response.statusCode, headers }));
    // 429 and 5xx pass by; any other status concerns this client.
    if (error.status !== 429 && error.status < 500) ended.error = error;
    socket.terminate();
    end();
  });
  socket.on('error', () => {});
  socket.on('close', (code, reason) => {
    ended.code = code;
    if (reason.length > 0) ended.error ??= reason.toString();
    end();
  });
  try {
    while (isOpen || waiting.length > 0) {
      const frame = waiting.shift();
      if (frame !== undefined) {
        if (waiting.length < framesMax / 2) socket.resume();
        yield frame;
        continue;
      }
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    clearInterval(heartbeat);
    signal?.removeEventListener('abort', abort);
    socket.terminate();
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
