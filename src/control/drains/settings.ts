/** What a drain hands lines to: read from a request, sealed for the database, shown without secrets. */
import { z } from 'zod';
import { parseHost } from '../../guest/kernel/net/address.ts';
import { PlatformError } from '../../protocol/errors.ts';

export const drainKinds = ['otlp', 'syslog', 'webhook', 's3'] as const;
export type DrainKind = (typeof drainKinds)[number];

export const drainLimits = {
  /** Drains of one handler, and of the server. */
  each: 5,
  /** Header fields of a drain, with their characters in all. */
  headers: 16,
  headerChars: 8_192,
  urlChars: 2_048,
} as const;

/** Fields that the request itself has, or that would change how its end is found. */
const ownFields = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'expect',
  'upgrade',
]);

const fieldName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'is no name of a header field');
const fieldValue = z.string().regex(/^[\t\x20-\x7e]*$/, 'is no value of a header field');

/** What a request says of a drain. */
export const drainSettingsSchema = z.strictObject({
  kind: z.enum(drainKinds),
  url: z
    .string()
    .max(drainLimits.urlChars)
    .describe(
      'otlp, webhook: https URL; syslog: syslog+tls://HOST:PORT; s3: https URL of the store, without the bucket',
    ),
  headers: z
    .record(fieldName, fieldValue)
    .optional()
    .describe('fields of each request, for otlp and webhook; never shown'),
  requests: z.boolean().optional().describe('whether lines of requests are handed on too; default false'),
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)
    .optional()
    .describe('s3'),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/)
    .optional()
    .describe('s3; default us-east-1'),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._/-]{0,200}$/)
    .optional()
    .describe('s3: begins the name of each object'),
  accessKeyId: z.string().min(1).max(128).optional().describe('s3; never shown'),
  secretAccessKey: z.string().min(1).max(256).optional().describe('s3; never shown'),
});
export type DrainSettings = z.infer<typeof drainSettingsSchema>;

/**
 * Returns where a drain leads, for people: without what may be secret, which is the query, and of a webhook the path
 * too (many services take a key there).
 */
export function shownTarget({ kind, url: text, bucket, prefix }: DrainSettings): string {
  const { protocol, host, pathname, search } = new URL(text);
  const origin = `${protocol}//${host}`;
  if (kind === 'webhook') return pathname === '/' && search === '' ? origin : `${origin}/…`;
  const place = `${origin}${pathname === '/' ? '' : pathname}`;
  if (kind === 's3') return `${place}/${bucket}/${prefix ?? ''}`;
  return search === '' ? place : `${place}?…`;
}

/**
 * Checks that the settings fit their kind. `isAllowed`: whether drains may reach host:port although it is private, and
 * so without TLS. Throws `bad_request`, without a value that may be secret.
 */
export function checkSettings(settings: DrainSettings, isAllowed: (hostPort: string) => boolean): void {
  const { kind, url: text, headers = {} } = settings;
  if (!URL.canParse(text)) throw bad('the URL does not parse');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw bad('the URL has a user or a fragment; credentials belong in headers');
  if (parseHost(url.hostname) === null) throw bad('the URL has no host that can be reached');
  if (kind === 'syslog') {
    if (url.protocol !== 'syslog+tls:' || url.port === '' || !['', '/'].includes(url.pathname) || url.search !== '')
      throw bad('a syslog drain has a URL like syslog+tls://HOST:6514');
  } else if (url.protocol === 'http:' && !isAllowed(`${url.hostname}:${url.port || '80'}`))
    throw bad('the URL is not https', 'the operator can allow a receiver without TLS: TRISIEL_DRAIN_ALLOW=HOST:PORT');
  else if (url.protocol !== 'https:' && url.protocol !== 'http:') throw bad('the URL is not https');
  const names = Object.keys(headers);
  const chars = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (names.length > drainLimits.headers || chars > drainLimits.headerChars) throw bad('the headers are too many');
  const own = names.find((name) => ownFields.has(name.toLowerCase()));
  if (own !== undefined) throw bad(`the header ${own.toLowerCase()} is set by the drain itself`);
  if (names.length > 0 && (kind === 'syslog' || kind === 's3')) throw bad(`a drain of kind ${kind} has no headers`);
  const { bucket, accessKeyId, secretAccessKey, region, prefix } = settings;
  if (kind === 's3') {
    if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined)
      throw bad('an s3 drain needs bucket, accessKeyId and secretAccessKey');
    if (url.search !== '') throw bad('the URL of an s3 drain has no query');
    if (!isPlainPrefix(prefix)) throw bad('the prefix has a part . or .., which would lead out of the bucket');
    // The signature is made of the decoded path.
    if (!isDecodable(url.pathname)) throw bad('the path of the URL has a % that encodes no character');
  } else if ([bucket, accessKeyId, secretAccessKey, region, prefix].some((value) => value !== undefined))
    throw bad('bucket, region, prefix and keys are for drains of kind s3');
}

/** Returns whether URLs leave the parts of a prefix as they are. The last part goes on with the handler's name. */
export function isPlainPrefix(prefix = ''): boolean {
  const folders = prefix.split('/').slice(0, -1);
  return !folders.some((folder) => folder === '.' || folder === '..');
}

/** Returns whether `%XX` in a path stand for characters in UTF-8. */
function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function bad(problem: string, ...hints: readonly string[]): PlatformError {
  return new PlatformError('bad_request', problem, { hints });
}
