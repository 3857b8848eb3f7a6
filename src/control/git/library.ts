/**
 * Feeds node-git-server only what it handles well. Each request gets a library object of its own, bound to one
 * repository, and a request object of ours whose first chunk holds the whole command section: the library looks
 * at the first chunk alone. The caller gets git's process, so that it can be watched and ended.
 */
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { type FetchData, Git, type InfoData, type PushData, type TagData } from 'node-git-server';
import type { GitService } from './git-url.ts';
import { takeSpareDescriptors } from './spare-descriptors.ts';

/** The name under which each library object knows its only repository. */
const only = 'repository.git';

/** A request that never was on the network: real to the library, fed by us. */
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

  /** Resolves when the library wants more. */
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

/** A response that never is on the network: real to the library, written to `sink`. Headers are thrown away. */
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

/** The environment that the library's children inherit (process.env), and what git gets in GIT_PROTOCOL. */
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
    response.removeHeader('connection'); // the library would close it, but git sends the next request on it
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
  /** git's process, as soon as the library has started it. Rejects with `unavailable` where there is no room for one. */
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
  /** The client's response, or a stream that takes git's output instead of it. */
  readonly response: ServerResponse | Writable;
}): ServedRequest {
  const { version, repository, service, head, response } = options;
  const git = libraryFor(repository);
  const request = new LibraryRequest({ method: 'POST', url: `/${only}/git-${service}` });
  const child = new Promise<ChildProcess>((resolve, reject) => {
    let isFirst = true;
    const accept = (action: PushData | TagData | FetchData) => {
      action.on('error', ignore);
      action.on('service', resolve);
      try {
        // The library starts git in the tick that accept() asks for: between these two, and nothing beside it.
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
    // One event for each ref of the push; the first starts git, the others find it started.
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
  git.on('error', ignore); // a git that cannot be started; its 'close' tells the same
  return git;
}

/**
 * Sets GIT_PROTOCOL, which the library does not pass on, where its children inherit it. Returns the function
 * that removes it; both are called around one start, without anything in between.
 */
function setProtocol({ environment, protocol }: GitVersion): () => void {
  if (protocol === null) return ignore;
  environment.GIT_PROTOCOL = protocol;
  return () => {
    delete environment.GIT_PROTOCOL;
  };
}

/**
 * Returns the process that `start` starts. The library keeps the process of an advertisement to itself; Node tells of
 * every process it starts.
 */
function spawned(start: () => void): ChildProcess | undefined {
  let child: ChildProcess | undefined;
  const listener = (message: unknown) => {
    child ??= (message as { process: ChildProcess }).process;
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
