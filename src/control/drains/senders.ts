/** How each kind of drain hands a batch of lines over. A batch has lines of one handler, in order. */
import { once } from 'node:events';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { parseHost } from '../../guest/kernel/net/address.ts';
import type { Egress } from '../../guest/kernel/net/egress.ts';
import type { LogFields, LogLine } from '../../protocol/nouns.ts';
import { DrainFailure } from './failure.ts';
import { drainRequestLimits, send } from './http-request.ts';
import { type DrainKind, type DrainSettings, isPlainPrefix } from './settings.ts';
import { encoded, signS3 } from './sigv4.ts';

export interface Sending {
  readonly egress: Egress;
  readonly settings: DrainSettings;
  /** Name of the machine in syslog messages. */
  readonly hostName: string;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/**
 * Resolves with the number of lines that the receiver has refused for good, when it has taken all others. Rejects when
 * it has not taken them.
 */
export type Sender = (lines: readonly LogLine[], sending: Sending) => Promise<number>;

export const senders: Readonly<Record<DrainKind, Sender>> = {
  otlp: sendOtlp,
  syslog: sendSyslog,
  webhook: sendWebhook,
  s3: sendS3,
};

/** OpenTelemetry's severity numbers, and those of syslog (RFC 5424, 6.2.1), for the numbers of CommonWA's levels. */
function severityOf(level: number): { readonly otlp: number; readonly text: string; readonly syslog: number } {
  if (level <= 2) return { otlp: 17, text: 'ERROR', syslog: 3 };
  if (level <= 4) return { otlp: 13, text: 'WARN', syslog: 4 };
  if (level <= 6) return { otlp: 9, text: 'INFO', syslog: 6 };
  if (level === 7) return { otlp: 5, text: 'DEBUG', syslog: 7 };
  return { otlp: 1, text: 'TRACE', syslog: 7 };
}

function nanoseconds(timeMs: number): string {
  return `${Math.floor(timeMs)}000000`;
}

async function sendOtlp(lines: readonly LogLine[], { egress, settings }: Sending): Promise<number> {
  const attribute = (key: string, value: LogFields[string]) => ({ key, value: otlpValue(value) });
  const [first] = lines;
  const body = {
    resourceLogs: [
      {
        resource: { attributes: [attribute('service.name', first?.handler ?? '')] },
        scopeLogs: [
          {
            scope: { name: 'trisiel' },
            logRecords: lines.map((line) => ({
              timeUnixNano: nanoseconds(line.timeMs),
              severityNumber: severityOf(line.level).otlp,
              severityText: severityOf(line.level).text,
              body: { stringValue: line.text },
              attributes: [
                attribute('trisiel.cursor', line.cursor),
                attribute('trisiel.stream', line.stream),
                attribute('faas.version', `v${line.deployment}`),
                ...(line.invocation === '' ? [] : [attribute('faas.invocation_id', line.invocation)]),
                ...(line.preview === undefined ? [] : [attribute('trisiel.preview', line.preview)]),
                ...(line.status === undefined ? [] : [attribute('http.response.status_code', line.status)]),
                ...Object.entries(line.fields ?? {}).map(([name, value]) => attribute(name, value)),
              ],
            })),
          },
        ],
      },
    ],
  };
  const answer = await send(egress, {
    method: 'POST',
    url: new URL(settings.url),
    headers: { ...settings.headers, 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body)),
  });
  return rejectedIn(answer, lines.length);
}

/** Returns an AnyValue of OpenTelemetry; one without a value stands for null. */
function otlpValue(value: LogFields[string]): object {
  if (value === null) return {};
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/**
 * Returns the number of records that a receiver of OTLP has refused (partial success): sending them again is of no use.
 */
function rejectedIn(answer: string, most: number): number {
  try {
    // Number and the catch below bear anything else.
    const parsed = JSON.parse(answer) as { partialSuccess?: { rejectedLogRecords?: number | string } } | null;
    const rejected = Number(parsed?.partialSuccess?.rejectedLogRecords ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? Math.min(rejected, most) : 0;
  } catch {
    return 0;
  }
}

async function sendWebhook(lines: readonly LogLine[], { egress, settings }: Sending): Promise<number> {
  await send(egress, {
    method: 'POST',
    url: new URL(settings.url),
    headers: { ...settings.headers, 'content-type': 'application/x-ndjson' },
    body: ndjson(lines),
  });
  return 0;
}

function ndjson(lines: readonly LogLine[]): Buffer {
  return Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/**
 * One object for each batch, in a folder for the hour of its first line. Its name has the first cursor, so that a batch
 * that is sent again after a failure replaces its object.
 */
async function sendS3(lines: readonly LogLine[], { egress, settings, nowMs }: Sending): Promise<number> {
  const [first] = lines;
  const { bucket = '', region = 'us-east-1', prefix = '', accessKeyId = '', secretAccessKey = '' } = settings;
  if (first === undefined) return 0;
  // Settings of an earlier version may have one.
  if (!isPlainPrefix(prefix)) throw new DrainFailure('the prefix has a part . or ..');
  const hour = new Date(first.timeMs).toISOString().slice(0, 13).replace(/[-T]/g, '/');
  const key = `${prefix}${first.handler}/${hour}/${String(first.cursor).padStart(16, '0')}.ndjson.gz`;
  const base = settings.url.replace(/\/+$/, '');
  const url = new URL(`${base}/${bucket}/${key.split('/').map(encoded).join('/')}`);
  const body = await promisify(gzip)(ndjson(lines));
  const headers = { 'content-type': 'application/gzip' };
  const keys = { accessKeyId, secretAccessKey };
  const signed = signS3({ method: 'PUT', url, headers, body }, keys, { region, timeMs: nowMs });
  await send(egress, { method: 'PUT', url, headers: signed, body });
  return 0;
}

/**
 * RFC 5424 over TLS (RFC 5425). There is no acknowledgement: lines count as taken when the connection has ended well.
 */
async function sendSyslog(lines: readonly LogLine[], { egress, settings, hostName }: Sending): Promise<number> {
  const url = new URL(settings.url);
  const host = parseHost(url.hostname);
  if (host === null) throw new DrainFailure('the host cannot be reached');
  const signal = AbortSignal.timeout(drainRequestLimits.exchangeMs);
  try {
    const tls = { alpn: [] };
    const socket = await egress.connect({ host, port: Number(url.port), tls, signal, halfOpen: true });
    try {
      const ended = once(socket, 'close', { signal });
      let failure: unknown = null;
      // A receiver has nothing to say; what it says keeps the thread busy.
      socket.on('data', () => {
        if (socket.bytesRead > drainRequestLimits.answerBytes)
          socket.destroy(new DrainFailure('the receiver sends too much'));
      });
      socket.once('error', (error) => {
        failure = error;
      });
      socket.end(Buffer.concat(lines.map((line) => syslogFrame(line, hostName))));
      await ended;
      if (failure !== null) throw failure;
    } finally {
      socket.destroy();
    }
  } catch (error) {
    if (signal.aborted) throw new DrainFailure(`not taken within ${drainRequestLimits.exchangeMs / 1_000} s`);
    throw DrainFailure.of(error);
  }
  return 0;
}

/** Facility of messages of user level. */
const facility = 1;

/** Returns one message behind its length (octet counting, RFC 6587 3.4.1). */
export function syslogFrame(line: LogLine, hostName: string): Buffer {
  const header = [
    `<${facility * 8 + severityOf(line.level).syslog}>1`,
    new Date(line.timeMs).toISOString(),
    word(hostName, 255),
    word(line.handler, 48),
    word(line.invocation, 128),
    word(line.stream, 32),
    // 32473 is the number that RFC 5612 keeps for examples: the platform has none of its own.
    `[trisiel@32473 cursor="${line.cursor}" deployment="${line.deployment}"]${fieldsElement(line.fields)}`,
  ].join(' ');
  const message = Buffer.from(`${header} ${line.text.replaceAll('\0', '\ufffd')}`);
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

/** Returns the fields of a line as structured data (RFC 5424, 6.3); names that it does not allow are changed. */
function fieldsElement(fields: LogFields | undefined): string {
  if (fields === undefined) return '';
  const parts = Object.entries(fields).map(([name, value]) => {
    const text = String(value)
      .replaceAll('\0', '\ufffd')
      .replace(/["\\\]]/g, '\\$&');
    return ` ${word(name, 32).replace(/[="\]]/g, '_')}="${text}"`;
  });
  return `[fields@32473${parts.join('')}]`;
}

/** Returns a field of the header: visible ASCII without spaces; `-` for none. */
function word(text: string, chars: number): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, chars) || '-';
}
