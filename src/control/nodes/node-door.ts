/**
 * Answers nodes over HTTP on control's own port: they join, read what is released, fetch blobs, and ask what their
 * runners ask. Every request carries the node's token and epoch. It is a door beside the API: its messages are those of
 * the bus, and it has no users.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { decodeMessage, encodeMessage } from '../../bus/codec.ts';
import { digestField, epochField, nodeDoorPath } from '../../bus/door.ts';
import { type Joined, kinds, runnerRequestSchema } from '../../bus/messages.ts';
import { messageOf, PlatformError, toProblem } from '../../protocol/errors.ts';
import { MIB } from '../../protocol/limits.ts';
import type { BusRequest, CallBusRequest, DeploymentSpec } from '../../protocol/messages.ts';
import type { Blobs } from '../../protocol/ports.ts';
import { withoutFiles } from '../../protocol/released.ts';
import { isOutage } from '../db/sql-error.ts';
import type { NodeRow, NodeStore } from './node-store.ts';
import type { ReleasedRow } from './shared-feed.ts';

/** Bytes of a request of a runner: a value, a message or a body of 1 MiB each at most, with its head. */
const requestBytes = 8 * MIB;

export interface NodeDoorOptions {
  readonly nodes: Pick<NodeStore, 'byToken' | 'join'>;
  /** Returns what a node is told that joins. */
  readonly welcome: (node: NodeRow, epoch: number) => Joined;
  readonly released: {
    /** Returns changes of what is released after revision `after`, oldest first, and the revision that they lead to. */
    rowsAfter(
      after: number,
    ): Promise<{ readonly rows: readonly ReleasedRow[]; readonly more: boolean; readonly revision: number }>;
  };
  readonly spec: (specId: string) => DeploymentSpec | undefined;
  readonly blobs: Pick<Blobs, 'get'>;
  /** Answers a runner. Throws what the stations throw. */
  readonly onRequest: (request: BusRequest | CallBusRequest) => Promise<Uint8Array | null>;
  readonly report: (message: string, error: unknown) => void;
}

export class NodeDoor {
  readonly #options: NodeDoorOptions;

  constructor(options: NodeDoorOptions) {
    this.#options = options;
  }

  /** Returns whether the path of a request is one of this door's. */
  handles(request: IncomingMessage): boolean {
    return request.url?.startsWith(nodeDoorPath) === true;
  }

  /**
   * Answers a request: 401 without a valid token, 409 to a process that another one with its token has replaced. Never
   * rejects.
   */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const node = await this.#nodeOf(request);
      const url = new URL(request.url ?? '', 'http://control');
      const [what = '', name = ''] = url.pathname.slice(nodeDoorPath.length).split('/');
      const route = `${request.method} ${what}`;
      if (route === 'POST join') return await this.#join(node, response);
      // Also a request without an epoch, which would be not a number.
      if (!(Number(request.headers[epochField]) >= node.epoch))
        throw new PlatformError('conflict', 'another process has joined with the token of this node');
      if (route === 'GET releases') await this.#releases(Number(url.searchParams.get('after') ?? 0), response);
      else if (route === 'GET specs') this.#spec(decodeURIComponent(name), response);
      else if (route === 'GET blobs') await this.#blob(name, response);
      else if (route === 'POST request') await this.#request(request, response);
      else throw new PlatformError('not_found', 'nodes ask nothing here');
    } catch (error) {
      const known = isOutage(error)
        ? new PlatformError('unavailable', 'the database does not answer', { cause: error })
        : error;
      if (!(known instanceof PlatformError)) this.#options.report('a request of a node failed', error);
      if (response.headersSent) return void response.destroy();
      const problem = toProblem(known);
      request.resume();
      response.writeHead(problem.status, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify(problem));
    }
  }

  async #nodeOf(request: IncomingMessage): Promise<NodeRow> {
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const node = await this.#options.nodes.byToken(token);
    if (node !== null) return node;
    throw new PlatformError('unauthorized', 'this is not the token of a node', {
      hints: ['an administrator makes one with: wasmcloud nodes add NAME'],
    });
  }

  async #join(node: NodeRow, response: ServerResponse): Promise<void> {
    const epoch = await this.#options.nodes.join(node.id);
    if (epoch === null) throw new PlatformError('unauthorized', 'this node has been removed');
    send(response, encodeMessage(kinds.joined, this.#options.welcome(node, epoch)));
  }

  async #releases(after: number, response: ServerResponse): Promise<void> {
    const page = await this.#options.released.rowsAfter(Number.isSafeInteger(after) ? after : 0);
    send(response, encodeMessage(kinds.releases, page));
  }

  #spec(specId: string, response: ServerResponse): void {
    const spec = this.#options.spec(specId);
    if (spec === undefined) throw new PlatformError('not_found', 'this control has not prepared such a spec');
    send(response, encodeMessage(kinds.spec, withoutFiles(spec)));
  }

  async #blob(name: string, response: ServerResponse): Promise<void> {
    if (!/^[0-9a-z-]{64,100}$/.test(name)) throw new PlatformError('not_found', 'this names no blob');
    const bytes = await this.#options.blobs.get(name);
    response.setHeader(digestField, createHash('sha256').update(bytes).digest('hex'));
    send(response, bytes);
  }

  async #request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { body } = decodeMessage(await read(request), [kinds.request]);
    const asked = runnerRequestSchema.safeParse(body);
    if (!asked.success)
      throw new PlatformError('bad_request', `this is no request of a runner: ${z.prettifyError(asked.error)}`, {
        hints: ['a newer node asks what only a newer control answers: upgrade the controls first'],
      });
    const reply = await this.#options.onRequest(asked.data).then(
      (value) => ({ ok: true, value }),
      (error: unknown) => ({
        ok: false,
        code: isOutage(error) ? 'unavailable' : error instanceof PlatformError ? error.code : 'internal',
        message: messageOf(error),
      }),
    );
    send(response, encodeMessage(kinds.reply, reply));
  }
}

function send(response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length });
  response.end(bytes);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > requestBytes)
      throw new PlatformError('body_too_large', `a request takes at most ${requestBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
