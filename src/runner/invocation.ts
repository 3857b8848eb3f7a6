/**
 * One Invocation: a Process in a slot, between a request and its answer.
 *
 *     started --> running --> closing --> answered
 *        (end: the guest's own, or kill by deadline, client, limits)
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { layOutDescriptors } from '../kernel/abi/layout.ts';
import type { FileSystem } from '../kernel/fs/file-system.ts';
import { makeFileSystem } from '../kernel/fs/file-system.ts';
import { GasMeter, type SliceScheduler } from '../kernel/meter.ts';
import type { CompiledPolicy } from '../kernel/policy.ts';
import type {
  Clock,
  Identity,
  KvService,
  ProcessEnd,
  ProcessLog,
  ProcessOptions,
  QueueService,
} from '../kernel/process.ts';
import { Process } from '../kernel/process.ts';
import type { Resource, SchemeRegistry } from '../kernel/resource.ts';
import { processUsage } from '../kernel/usage.ts';
import { type ErrorCode, PlatformError } from '../protocol/errors.ts';
import type { Limits } from '../protocol/limits.ts';
import type { InvocationOutcome, InvocationRecord, LogStream } from '../protocol/nouns.ts';
import { CgiOutput, type Finished } from './cgi-output.ts';
import { cgiArguments, cgiEnvironment } from './cgi-request.ts';
import type { LiveDeployment } from './deployments.ts';
import { failureOf } from './failure.ts';
import { LazyMap } from './lazy-map.ts';
import { admission, closeMs, sliceLimits } from './limits.ts';
import { answerProblem } from './problem-answer.ts';
import { emptyBody, RequestBody } from './request-body.ts';
import type { Address } from './routes.ts';
import type { RunnerServices } from './services.ts';
import type { Slot } from './slot.ts';
import { StderrLog } from './stderr-log.ts';

export interface InvocationRequest {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** As received, or the path of the local redirect. */
  readonly target: string;
  readonly address: Address;
  /** False after a local redirect: the body belonged to the first run. */
  readonly hasBody: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** What the Process is ended with from our side, and what the caller is told then. */
interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

export class Invocation implements ProcessOptions, ProcessLog, SliceScheduler {
  readonly id: string;
  readonly deployment: LiveDeployment;
  readonly stdin: Resource & { readonly bytes: number };
  readonly stdout: CgiOutput;
  readonly meter: GasMeter;
  readonly env: LazyMap;
  readonly #services: RunnerServices;
  readonly #call: InvocationRequest;
  readonly #slot: Slot;
  readonly #startedMs: number;
  readonly #startedWallMs: number;
  #process: Process | null = null;
  #stderr: StderrLog | null = null;
  #refusal: Refusal | null = null;
  #isAborted = false;
  /** Slices used up so far. */
  #slices = 0;
  #sliceStartMs: number;
  #sliceGas: number = sliceLimits.firstGas;
  /** While resources close: when to stop waiting, and how. */
  #closing: { readonly atMs: number; readonly giveUp: () => void } | null = null;

  constructor(services: RunnerServices, deployment: LiveDeployment, slot: Slot, call: InvocationRequest) {
    this.#services = services;
    this.deployment = deployment;
    this.#slot = slot;
    this.#call = call;
    this.id = call.id;
    this.#startedMs = performance.now();
    this.#startedWallMs = services.clock.wallMs();
    this.#sliceStartMs = this.#startedMs;
    this.meter = new GasMeter(deployment.spec.limits.gas, this);
    this.env = new LazyMap(() => this.#environment());
    this.stdin = call.hasBody ? this.#body() : emptyBody;
    this.stdout = new CgiOutput({
      response: call.response,
      invocation: call.id,
      isHead: call.method === 'HEAD',
      onBad: (message) => this.#refuse('bad_cgi_output', message),
      onFlushWanted: () => services.flushes.add(this.stdout),
    });
  }

  // What the kernel asks for (ProcessOptions).

  get identity(): Identity {
    const { spec } = this.deployment;
    return { handler: spec.handler, deployment: spec.number, commit: spec.commit, invocation: this.id };
  }

  get args(): readonly string[] {
    return cgiArguments(this.#call.address);
  }

  get stderr(): Resource {
    this.#stderr ??= new StderrLog((line) => this.#process?.log(6, 'stderr', line));
    return this.#stderr;
  }

  get limits(): Limits {
    return this.deployment.spec.limits;
  }

  get policy(): CompiledPolicy | null {
    return this.deployment.policy;
  }

  get schemes(): SchemeRegistry {
    return this.deployment.schemes;
  }

  get log(): ProcessLog {
    return this;
  }

  get clock(): Clock {
    return this.#services.clock;
  }

  get random(): (into: Uint8Array) => void {
    return this.#services.random;
  }

  get files(): () => FileSystem {
    return () =>
      makeFileSystem({
        lower: this.deployment.tree(),
        pool: this.#services.scratch,
        nowNs: () => BigInt(this.#services.clock.wallMs()) * 1_000_000n,
      });
  }

  get kv(): KvService {
    return this.deployment.handler.kv;
  }

  get queues(): QueueService {
    return this.deployment.handler.queues;
  }

  resumed(): void {
    this.#services.mark.enter(this.deployment.mark);
  }

  line(line: {
    readonly seq: number;
    readonly timeMs: number;
    readonly gas: number;
    readonly stream: LogStream;
    readonly level: number;
    readonly text: string;
  }): void {
    const { spec } = this.deployment;
    this.#services.logs.push({ handler: spec.handler, deployment: spec.number, invocation: this.id, ...line });
  }

  // SliceScheduler.

  sliceGas(): number {
    return this.#sliceGas;
  }

  turn(): Promise<void> {
    const { share } = this.deployment.handler;
    share.measured(this.#sliceGas, performance.now() - this.#sliceStartMs);
    this.#slices += 1;
    this.#sliceGas = share.sliceGas();
    return this.#services.scheduler.turn(share, this.#slices).then(() => {
      this.#sliceStartMs = performance.now();
    });
  }

  // The life of an Invocation.

  /**
   * Runs the guest and answers; never throws. Resolves when the slot is free again and the answer has
   * been handed to the socket: null, or the path of a local redirect that is to be answered instead.
   */
  async run(): Promise<string | null> {
    const { deployment, stdout } = this;
    const { plan } = deployment.spec.module;
    const process = new Process(this);
    this.#process = process;
    let end: ProcessEnd;
    try {
      layOutDescriptors(process, plan);
      this.#services.mark.enter(deployment.mark);
      end = await this.#slot.guest.run(process);
      await this.#close(process);
    } catch (cause) {
      end = { kind: 'internal', cause };
    }
    let redirect: string | null = null;
    let outcome: InvocationOutcome;
    let status: number;
    const finished: Finished | null =
      this.#refusal === null && end.kind === 'exit' && (end.status === 0 || stdout.hasOutput) ? stdout.finish() : null;
    if (finished === null || finished.kind === 'bad') {
      if (finished !== null) this.#refusal = { code: 'bad_cgi_output', message: finished.message };
      [outcome, status] = this.#fail(end);
    } else {
      outcome = 'ok';
      status = finished.kind === 'sent' ? finished.status : 302;
      redirect = finished.kind === 'redirect' ? finished.path : null;
      if (end.kind === 'exit' && end.status !== 0) process.log(3, 'platform', `exited with status ${end.status}`);
    }
    this.#report(process, outcome, status);
    deployment.pool.give(this.#slot, end.kind === 'exit' && this.#refusal === null);
    return redirect;
  }

  /** The client has gone: nobody waits for the answer. */
  abort(): void {
    this.#isAborted = true;
    this.#process?.kill({ kind: 'aborted', message: 'the client went away' });
  }

  /** Ends the Process because of the platform's own limits. */
  evict(message: string): void {
    this.#refuse('overloaded', message);
  }

  /** Looks at the clock: every tickMs, monotonic. */
  tick(nowMs: number): void {
    if (this.#closing !== null) {
      if (nowMs >= this.#closing.atMs) this.#closing.giveUp();
      return;
    }
    const { timeoutMs } = this.limits;
    if (nowMs - this.#startedMs >= timeoutMs) this.#process?.kill({ kind: 'deadline', timeoutMs });
    else this.deployment.pool.account(this.#slot);
  }

  /** Bytes of guest memory it holds now. */
  get memoryBytes(): number {
    return this.#slot.bytes;
  }

  #refuse(code: ErrorCode, message: string): void {
    this.#refusal ??= { code, message };
    this.#process?.kill({ kind: 'aborted', message });
  }

  /** Waits until everything that is open has closed, at most closeMs. */
  async #close(process: Process): Promise<void> {
    this.#stderr?.close();
    await new Promise<void>((resolve, reject) => {
      this.#closing = { atMs: performance.now() + closeMs, giveUp: resolve };
      process.release().then(resolve, reject);
    });
    process.filesOpened?.release();
  }

  /** Answers if that is still possible, else breaks the connection off; logs for the owner. */
  #fail(end: ProcessEnd): [InvocationOutcome, number] {
    const { response } = this.#call;
    const canAnswer = this.stdout.abandon();
    if (this.#isAborted) {
      this.#platformLine(6, 'the client went away before the answer was complete');
      return ['aborted', this.stdout.status];
    }
    const failure = this.#refusal === null ? failureOf(end, false) : refused(this.#refusal, this.limits);
    if (failure === null) throw new Error('a Process that did not fail');
    this.#platformLine(1, failure.log);
    if (canAnswer) {
      const retry = failure.code === 'overloaded' ? { retryAfterSeconds: admission.retryAfterSeconds } : {};
      const error = new PlatformError(failure.code, failure.detail, retry);
      return [failure.code, answerProblem(response, error, this.id)];
    }
    // The answer to HEAD is complete with its head.
    if (!response.writableEnded) {
      this.#platformLine(1, 'the answer had begun already: the connection was broken off so that the client notices');
      breakOff(response);
    }
    return [failure.code, this.stdout.status];
  }

  /** Past the limit of lines as well: the owner is to see why it failed. */
  #platformLine(level: number, text: string): void {
    const process = this.#process;
    if (process === null) return;
    process.logLines += 1;
    this.line({
      seq: process.logLines,
      timeMs: this.#services.clock.wallMs(),
      gas: this.meter.used,
      stream: 'platform',
      level,
      text,
    });
  }

  #report(process: Process, outcome: InvocationOutcome, status: number): void {
    const nowMs = performance.now();
    const durationMs = nowMs - this.#startedMs;
    const bytesIn = this.stdin.bytes;
    const bytesOut = this.stdout.bodyBytes;
    const { spec, usage } = this.deployment;
    this.#services.usage.add(usage, {
      outcome,
      gas: this.meter.used,
      durationMs,
      bytesIn,
      bytesOut,
      logLines: process.logLines,
      nowMs,
      record: (): InvocationRecord => ({
        id: this.id,
        handler: spec.handler,
        deployment: spec.number,
        startedMs: this.#startedWallMs,
        durationMs,
        method: this.#call.method,
        path: this.#call.address.path === '' ? '/' : this.#call.address.path,
        status,
        outcome,
        bytesIn,
        bytesOut,
        ...processUsage(process, spec.module.plan),
      }),
    });
  }

  #body(): RequestBody {
    const { request, response, expectsContinue } = this.#call;
    const { bodyBytes } = this.limits;
    return new RequestBody({
      request,
      bytesMax: bodyBytes,
      onTooLarge: () => this.#refuse('body_too_large', `the request's body is larger than ${bodyBytes} bytes`),
      onFirstRead: expectsContinue ? () => response.writeContinue() : null,
    });
  }

  #environment(): Map<string, string> {
    const { spec } = this.deployment;
    const { address, request, method, target, hasBody } = this.#call;
    return cgiEnvironment({
      request,
      method,
      uri: target,
      scriptName: address.scriptName,
      path: address.path,
      query: address.query,
      serverName: address.host,
      serverPort: address.port,
      isHttps: this.#services.isHttps,
      hasBody,
      invocation: this.id,
      runner: this.#services.runnerId,
      passAuthorization: spec.passAuthorization,
      env: spec.env,
    });
  }
}

function refused(refusal: Refusal, limits: Limits): { code: ErrorCode; detail: string; log: string } {
  const { code, message } = refusal;
  switch (code) {
    case 'bad_cgi_output':
      return {
        code,
        detail: 'The function wrote something that is no CGI answer.',
        log: `bad output: ${message}; an answer is header lines, an empty line, the body`,
      };
    case 'body_too_large':
      return {
        code,
        detail: `The request's body is larger than ${limits.bodyBytes} bytes.`,
        log: `${message}; the manifest's [limits] body-bytes may allow more`,
      };
    default:
      return { code, detail: 'The function cannot be run now.', log: message };
  }
}

/** The client must notice: with HTTP/1.0 a plain end of the connection would look like the end of the body. */
function breakOff(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || !('resetAndDestroy' in socket)) response.destroy();
  else socket.resetAndDestroy();
}
