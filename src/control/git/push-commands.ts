/**
 * The head of a push: the update commands before the pack (gitprotocol-pack(5), "Reference Update Request and
 * Packfile Transfer"). They are read whole before anything starts, so that one bad ref refuses all, and written
 * anew for git, so that only what was understood gets there.
 */
import { PlatformError } from '../../protocol/errors.ts';
import type { RefUpdate } from '../../protocol/push.ts';
import type { GitBody } from './git-body.ts';
import type { GitLimits } from './limits.ts';
import { flushPkt, PktLineReader, pktLine } from './pkt-line.ts';

export interface PushCommands {
  readonly updates: readonly RefUpdate[];
  readonly capabilities: readonly string[];
  /** `shallow OBJECT` lines of a client with a shallow clone, unchanged. */
  readonly shallow: readonly string[];
  /** All-zero object id, with as many digits as the object format has. */
  readonly zeroOid: string;
}

/**
 * The command section of one push while it is read. What has been read stays known when reading fails, so that
 * the refusal can name each ref in a report that git shows.
 */
export class CommandSection {
  readonly #reader = new PktLineReader();
  readonly #lines: Buffer[] = [];
  readonly #refs: Buffer[] = [];
  #capabilities: readonly string[] = [];

  /** The capabilities of the first command; empty before it has been read. */
  get capabilities(): readonly string[] {
    return this.#capabilities;
  }

  /** The refs of the commands read so far, as the client wrote them. */
  get refs(): readonly Buffer[] {
    return this.#refs;
  }

  /** Returns the bytes read after the flush packet, which begin the pack, and forgets them. */
  rest(): Buffer {
    return this.#reader.rest();
  }

  /**
   * Reads to the flush packet. Returns null for a section without a command: a bare flush packet is the probe
   * that git sends before a pack of more than http.postBuffer; `shallow` lines alone come from a shallow client
   * none of whose refs can be pushed. Throws `request_timeout`, `limit_exceeded`, `bad_request`.
   */
  async read(
    body: GitBody,
    limits: Pick<GitLimits, 'commandsMs' | 'commandBytes' | 'refs'>,
  ): Promise<PushCommands | null> {
    const end = performance.now() + limits.commandsMs;
    let bytes = 0;
    for (;;) {
      for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
        if (packet === null) return this.#parse(limits.refs);
        bytes += packet.length + 4;
        if (bytes > limits.commandBytes) throw tooMany(limits.refs);
        this.#note(packet);
      }
      const chunk = await body.read(end - performance.now());
      if (chunk === null) throw malformed('it ends before its commands do');
      this.#reader.push(chunk);
    }
  }

  #note(packet: Buffer): void {
    this.#lines.push(packet);
    const nul = packet.indexOf(0);
    const command = (nul < 0 ? packet : packet.subarray(0, nul)).toString('latin1').replace(/\n$/, '');
    const ref = /^[0-9a-f]{40,64} [0-9a-f]{40,64} (.+)$/s.exec(command)?.[1];
    if (ref === undefined) return;
    if (this.#refs.length === 0 && nul >= 0) this.#capabilities = words(packet.toString('latin1', nul + 1));
    this.#refs.push(Buffer.from(ref, 'latin1'));
  }

  #parse(refsMax: number): PushCommands | null {
    if (this.#lines.every((line) => isShallowLine(line.toString('latin1')))) return null;
    if (this.#refs.length > refsMax) throw tooMany(refsMax);
    return parseCommands(this.#lines);
  }
}

/** Reads the commands of a push. Exported for property tests. Throws `bad_request`. */
export function parseCommands(lines: readonly Buffer[]): PushCommands {
  const shallow: string[] = [];
  const updates: RefUpdate[] = [];
  const refs = new Set<string>();
  let capabilities: readonly string[] = [];
  let zeroOid = '';
  for (const line of lines) {
    const text = utf8(line).replace(/\n$/, '');
    if (updates.length === 0 && isShallowLine(text)) {
      shallow.push(text);
      continue;
    }
    const [command = '', features] = text.split('\0', 2);
    const match = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (.+)$/s.exec(command);
    if (match === null) throw malformed('a command is not "old new ref"');
    const [, from = '', to = '', ref = ''] = match;
    if (updates.length === 0) {
      capabilities = words(features ?? '');
      zeroOid = '0'.repeat(from.length);
    } else if (features !== undefined) throw malformed('capabilities stand after the first command');
    const update = { ref, old: oid(from), new: oid(to) };
    if (refs.has(update.ref)) throw malformed('it names one ref twice');
    if (update.old === null && update.new === null) throw malformed('a command neither creates nor deletes');
    refs.add(update.ref);
    updates.push(update);
  }
  if (updates.length === 0) throw malformed('it has no command');
  return { updates, capabilities, shallow, zeroOid };
}

/** Writes the command section for git, with `atomic`, so that git too moves all refs or none. */
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
 * Returns what is wrong with `ref` as the target of a push, or null. A strict reading of git-check-ref-format(1);
 * the name is printed, so it holds nothing that a terminal would execute: no C0 or C1 control character, no
 * character that changes the direction of text.
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

function tooMany(refsMax: number): PlatformError {
  return new PlatformError('limit_exceeded', `a push has at most ${refsMax} refs`, {
    hints: ['push some of them at a time: git push wasmcloud main v1.0 v1.1'],
  });
}

function isShallowLine(text: string): boolean {
  return /^shallow (?:[0-9a-f]{40}|[0-9a-f]{64})\n?$/.test(text);
}

function words(text: string): readonly string[] {
  return text
    .trim()
    .split(' ')
    .filter((word) => word !== '');
}

function oid(text: string): string | null {
  return /^0+$/.test(text) ? null : text;
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new PlatformError('bad_request', 'a ref name is not UTF-8', {
      hints: ['git branch -m gives a branch another name'],
      cause,
    });
  }
}

function malformed(what: string): PlatformError {
  return new PlatformError('bad_request', `this is not a git push: ${what}`);
}
