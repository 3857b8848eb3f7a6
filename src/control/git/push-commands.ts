/**
 * The head of a push: the update commands before the pack (gitprotocol-pack(5), "Reference Update
 * Request and Packfile Transfer"). Read whole before anything starts, so that one bad ref refuses all,
 * and written anew for git, so that only what was understood gets there.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { RefUpdate } from '../../protocol/push.ts';
import type { GitLimits } from './limits.ts';
import { flushPkt, PktLineReader, pktLine } from './pkt-line.ts';
import type { RequestBody } from './request-body.ts';

export interface PushCommands {
  readonly updates: readonly RefUpdate[];
  readonly capabilities: readonly string[];
  /** `shallow OBJECT` lines of a client with a shallow clone, as they came. */
  readonly shallow: readonly string[];
  /** Zeroes as many as the object format has digits. */
  readonly zeroOid: string;
  /** What came after the flush packet in the same chunk: the pack's beginning. */
  readonly rest: Buffer;
}

/** Null: nothing but a flush packet, the probe that git sends before a pack of more than http.postBuffer. */
export async function readPushCommands(
  body: RequestBody,
  limits: Pick<GitLimits, 'commandsMs' | 'commandBytes' | 'refs'>,
): Promise<PushCommands | null> {
  const end = performance.now() + limits.commandsMs;
  const reader = new PktLineReader();
  const lines: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
      if (packet === null) return lines.length === 0 ? null : parseCommands(lines, reader.rest());
      bytes += packet.length + 4;
      lines.push(packet);
      if (bytes > limits.commandBytes || lines.length > limits.refs)
        throw new PlatformError('limit_exceeded', `a push has at most ${limits.refs} refs`);
    }
    const chunk = await body.read(end - performance.now());
    if (chunk === null) throw malformed('it ends before its commands do');
    reader.push(chunk);
  }
}

/** Exported for property tests. Throws `bad_request`. */
export function parseCommands(lines: readonly Buffer[], rest: Buffer): PushCommands {
  const shallow: string[] = [];
  const updates: RefUpdate[] = [];
  let capabilities: readonly string[] = [];
  let zeroOid = '';
  for (const line of lines) {
    const text = utf8(line).replace(/\n$/, '');
    if (/^shallow (?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) && updates.length === 0) {
      shallow.push(text);
      continue;
    }
    const [command = '', features] = text.split('\0', 2);
    const match = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (.+)$/s.exec(command);
    if (match === null) throw malformed('a command is not "old new ref"');
    if (updates.length === 0) {
      capabilities = (features ?? '').split(' ').filter((feature) => feature !== '');
      zeroOid = '0'.repeat(match[1]!.length);
    } else if (features !== undefined) throw malformed('capabilities stand after the first command');
    const update = { ref: match[3]!, old: oid(match[1]!), new: oid(match[2]!) };
    if (updates.some(({ ref }) => ref === update.ref)) throw malformed('it names one ref twice');
    if (update.old === null && update.new === null) throw malformed('a command neither creates nor deletes');
    updates.push(update);
  }
  if (updates.length === 0) throw malformed('it has no command');
  return { updates, capabilities, shallow, zeroOid, rest };
}

/** The command section for git: with `atomic`, so that git too moves all refs or none. */
export function writePushCommands(commands: PushCommands): Buffer {
  const features = [...new Set([...commands.capabilities, 'atomic'])].join(' ');
  return Buffer.concat([
    ...commands.shallow.map((line) => pktLine(line)),
    ...commands.updates.map((update, index) =>
      pktLine(
        `${update.old ?? commands.zeroOid} ${update.new ?? commands.zeroOid} ${update.ref}${index === 0 ? `\0 ${features}` : ''}`,
      ),
    ),
    flushPkt,
  ]);
}

/**
 * What is wrong with `ref` as the target of a push, or null. A strict reading of git-check-ref-format(1);
 * the name is printed, so it holds nothing that a terminal would execute.
 */
export function refusedRef(ref: string): string | null {
  const name = /^refs\/(?:heads|tags)\/(.+)$/s.exec(ref)?.[1];
  if (name === undefined) return 'only branches and tags can be pushed';
  const possible =
    Buffer.byteLength(ref) <= 250 &&
    !/[\x00-\x20\x7f-\x9f~^:?*[\\\u2028\u2029\u202a-\u202e\u2066-\u2069]|\.\.|@\{|\/\/|\/$|\.$|^[-@]$/.test(name) &&
    name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock') && !part.startsWith('-'));
  return possible ? null : 'this is no possible name of a branch or tag';
}

function oid(text: string): string | null {
  return /^0+$/.test(text) ? null : text;
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new PlatformError('bad_request', 'this is not a git request: a ref name is not UTF-8', { cause });
  }
}

function malformed(what: string): PlatformError {
  return new PlatformError('bad_request', `this is not a git push: ${what}`);
}
