/**
 * Passes requests to node-git-server in a form that it handles correctly. Each request gets its own library object,
 * bound to one repository, and a request object whose first chunk holds the whole command section, because the library
 * looks only at the first chunk. The caller gets git's process, to watch and end it.
 */
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { type FetchData, Git, type InfoData, type PushData, type TagData } from 'node-git-server';
import type { GitService } from './git-url.ts';
import { takeSpareDescriptors } from './spare-descriptors.ts';

/** Name under which each library object knows its only repository. */
const only = 'repository.git';

/** Request object without a network connection: the library reads it, and this class feeds it. */
class LibraryRequest extends IncomingMessage {
  #wanted: (() => void) | null = null;

  constructor(options: { readonly method: string; readonly url: string }) {
    super(new Socket());
    this.method = options.method;
    this.url = options.url;
  }

  override _read(): void {
    this.#wanted?.();
    this.#wanted = null;
  }

  /** Adds a chunk; resolves when the library asks for more. */
  async feed(chunk: Buffer): Promise<void> {
    if (this.push(chunk)) return;
    await new Promise<void>((resolve) => {
      this.#wanted = resolve;
    });
  }

  end(): void {
    this.push(null);
  }
}

/** Response object without a network connection: its body is written to `sink`, its headers are dropped. */
class LibraryResponse extends ServerResponse {
  readonly #sink: Writable;

  constructor(request: IncomingMessage, sink: Writable) {
    super(request);
    this.#sink = sink;
    sink.on('drain', () => this.emit('drain'));
  }

  override write(chunk: Buffer): boolean {
    return this.#sink.write(chunk);
  }

  override end(): this {
    this.#sink.end();
    return this;
  }
}

/** Protocol version for git, and the environment (process.env) through which git gets it as GIT_PROTOCOL. */
export interface GitVersion {
  readonly environment: Record<string, string | undefined>;
  /** `version=1`, `version=2`; null for version 0. */
  readonly protocol: string | null;
}

/** Lets git write the advertisement of `repository` (which must exist) to `response`. Throws `unavailable`. */
export function advertise(options: {
  readonly version: GitVersion;
  readonly repository: string;
  readonly service: GitService;
  readonly response: ServerResponse;
}): ChildProcess {
  const { version, repository, service, response } = options;
  const release = takeSpareDescriptors();
  const git = libraryFor(repository);
  let child: ChildProcess | undefined;
  git.on('info', (info: InfoData) => {
    info.on('error', ignore);
    // The library sets it to close, but git sends the next request on the same connection.
    response.removeHeader('connection');
    release();
    const forget = setProtocol(version);
    child = spawned(() => info.accept());
    forget();
  });
  const request = new LibraryRequest({ method: 'GET', url: `/${only}/info/refs?service=git-${service}` });
  request.end();
  git.handle(request, response);
  release();
  if (child === undefined) throw new Error(`the git library did not advertise ${repository}`);
  return child;
}

export interface ServedRequest {
  /** git's process, once the library has started it. Rejects with `unavailable` when the system cannot start one. */
  readonly child: Promise<ChildProcess>;
  feed(chunk: Buffer): Promise<void>;
  end(): void;
}

/** Lets git answer a request that begins with `head`: a whole command section, or a whole negotiation. */
export function serve(options: {
  readonly version: GitVersion;
  readonly repository: string;
  readonly service: GitService;
  readonly head: Buffer;
  /** Response of the client, or another stream that takes git's output. */
  readonly response: ServerResponse | Writable;
}): ServedRequest {
  const { version, repository, service, head, response } = options;
  const git = libraryFor(repository);
  const request = new LibraryRequest({ method: 'POST', url: `/${only}/git-${service}` });
  const child = new Promise<ChildProcess>((resolve, reject) => {
    let isFirst = true;
    const heard = new Set<object>();
    const accept = (action: PushData | TagData | FetchData) => {
      // One object stands for all refs of a push; Node warns of more than ten listeners on it.
      if (!heard.has(action)) {
        heard.add(action);
        action.on('error', ignore);
        action.on('service', resolve);
      }
      try {
        // The library starts git synchronously in accept(), so the spare descriptors are free exactly then.
        const release = isFirst ? takeSpareDescriptors() : null;
        let forget = () => {};
        if (release !== null)
          process.nextTick(() => {
            release();
            forget = setProtocol(version);
          });
        action.accept();
        if (release !== null) process.nextTick(() => forget());
        isFirst = false;
      } catch (error) {
        reject(error);
      }
    };
    // The library emits one event per ref of the push; the first one starts git.
    git.on('push', accept);
    git.on('tag', accept);
    git.on('fetch', accept);
  });
  const answer = response instanceof ServerResponse ? response : new LibraryResponse(request, response);
  git.handle(request, answer);
  answer.removeHeader('connection');
  request.push(head);
  return { child, feed: (chunk) => request.feed(chunk), end: () => request.end() };
}

function libraryFor(repository: string): Git {
  const git = new Git(() => repository, { autoCreate: false });
  git.on('error', ignore); // The process could not be started; its 'close' reports the same.
  return git;
}

/**
 * Sets GIT_PROTOCOL, which the library does not pass on, in the environment that its children inherit. Returns the
 * function that removes it; both are called around one synchronous start.
 */
function setProtocol({ environment, protocol }: GitVersion): () => void {
  if (protocol === null) return ignore;
  environment.GIT_PROTOCOL = protocol;
  return () => {
    delete environment.GIT_PROTOCOL;
  };
}

/**
 * Returns the process that `start` starts. The library does not expose the process of an advertisement, but Node
 * reports every process that it starts.
 */
function spawned(start: () => void): ChildProcess | undefined {
  let child: ChildProcess | undefined;
  const listener = (message: unknown) => {
    child ??= (message as { process: ChildProcess }).process; // message of Node's channel child_process
  };
  subscribe('child_process', listener);
  try {
    start();
  } finally {
    unsubscribe('child_process', listener);
  }
  return child;
}

function ignore(): void {}
