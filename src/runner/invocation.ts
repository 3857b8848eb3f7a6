/**
 * One Invocation: a Process in a slot, between a request and its answer.
 *
 *     started --> running --> closing --> answered
 *        (end: the guest's own, or kill by deadline, client, limits)
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { layOutDescriptors } from '../guest/kernel/abi/layout.ts';
import type { FileSystem } from '../guest/kernel/fs/file-system.ts';
import { makeFileSystem } from '../guest/kernel/fs/file-system.ts';
import type { GuestText } from '../guest/kernel/memory.ts';
import { GasMeter, type SliceScheduler } from '../guest/kernel/meter.ts';
import type { CompiledPolicy } from '../guest/kernel/policy.ts';
import {
  type Clock,
  type Identity,
  type KvService,
  Process,
  type ProcessEnd,
  type ProcessLog,
  type ProcessOptions,
  type QueueService,
} from '../guest/kernel/process.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import type { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import { processUsage } from '../guest/kernel/usage.ts';
import { type ErrorCode, PlatformError } from '../protocol/errors.ts';
import type { Limits } from '../protocol/limits.ts';
import { type InvocationOutcome, type LogStream, logLevels, type PendingInvocationRecord } from '../protocol/nouns.ts';
import type { HeadMemo } from './cgi-head.ts';
import { CgiOutput, type CgiOutputHost, type Finished } from './cgi-output.ts';
import { cgiArguments, cgiEnvironment } from './cgi-request.ts';
import { failureOf } from './failure.ts';
import { admission, closeMs, sliceLimits } from './limits.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import { answerProblem } from './problem-answer.ts';
import { declaredBytes, emptyBody, RequestBody, type StandardInput } from './request-body.ts';
import type { Address } from './routes.ts';
import type { RunnerServices } from './services.ts';
import type { SharedOrigin } from './shared-origin.ts';
import type { Slot } from './slot.ts';
import { StderrLog } from './stderr-log.ts';
import type { EndedInvocation } from './usage-reporter.ts';

export interface InvocationRequest {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** As received, or the path of the local redirect. */
  readonly target: string;
  readonly address: Address;
  /** False after a local redirect: the body belonged to the first run. */
  readonly ownsBody: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/** What the Process is ended with from our side, and what the caller is told then. */
interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

export class Invocation implements ProcessOptions, ProcessLog, SliceScheduler, CgiOutputHost, EndedInvocation {
  readonly id: string;
  readonly deployment: LoadedDeployment;
  readonly stdin: StandardInput;
  readonly stdout: CgiOutput;
  readonly meter: GasMeter;
  /** Known when it has ended. */
  outcome: InvocationOutcome = 'ok';
  nowMs = 0;
  /** Of InFlight: where it stands there, and what else runs on the same connection. */
  place = 0;
  nextOnSocket: Invocation | null = null;
  readonly #services: RunnerServices;
  readonly #call: InvocationRequest;
  readonly #slot: Slot;
  readonly #startedMs: number;
  readonly #startedWallMs: number;
  #process: Process | null = null;
  #env: Map<string, GuestText> | null = null;
  #status = 0;
  #stderr: StderrLog | null = null;
  #refusal: Refusal | null = null;
  #isAborted = false;
  /** Slices used up so far. */
  #slices = 0;
  #sliceStartMs: number;
  #sliceGas: number = sliceLimits.firstGas;
  /** While resources close: stops waiting. */
  #giveUp: (() => void) | null = null;
  #giveUpMs = 0;

  constructor(services: RunnerServices, deployment: LoadedDeployment, slot: Slot, call: InvocationRequest) {
    this.#services = services;
    this.deployment = deployment;
    this.#slot = slot;
    this.#call = call;
    this.id = call.id;
    this.#startedMs = performance.now();
    this.#startedWallMs = services.clock.wallMs();
    this.#sliceStartMs = this.#startedMs;
    this.meter = new GasMeter(deployment.spec.limits.gas, this);
    this.stdin = this.#body();
    this.stdout = new CgiOutput(this);
  }

  // What the kernel asks for (ProcessOptions).

  get identity(): Identity {
    const { spec } = this.deployment;
    return { handler: spec.handler, deployment: spec.number, commit: spec.commit, invocation: this.id };
  }

  get args(): readonly GuestText[] {
    return cgiArguments(this.#call.address);
  }

  /** Made at the first question: most guests never ask. */
  get env(): ReadonlyMap<string, GuestText> {
    this.#env ??= this.#environment();
    return this.#env;
  }

  get stderr(): Resource {
    this.#stderr ??= new StderrLog((line) => this.#process?.log(logLevels.info, 'stderr', line));
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

  /** Sends what the guest has written so far: its reader would wait as long as the guest does. */
  suspending(): void {
    this.stdout.sendPending();
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
    this.#services.logs.push({ handlerId: spec.handlerId, deployment: spec.number, invocation: this.id, ...line });
  }

  // CgiOutputHost.

  get response(): ServerResponse {
    return this.#call.response;
  }

  get isHead(): boolean {
    return this.#call.method === 'HEAD';
  }

  get headMemo(): HeadMemo {
    return this.deployment.headMemo;
  }

  get origin(): SharedOrigin {
    return this.#call.address;
  }

  warn(message: string): void {
    this.#process?.report('warning', message);
  }

  badOutput(message: string): void {
    this.#refuse('bad_cgi_output', message);
  }

  flushWanted(output: CgiOutput): void {
    this.#services.flushes.add(output);
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
      const collecting = this.stdin.collect();
      // Rejects where the Process ends first; run() finds that out.
      if (collecting !== null) await process.wait(collecting).catch(() => {});
      this.#services.mark.enter(deployment.mark);
      end = await this.#slot.guest.run(process);
      await this.#close(process);
    } catch (cause) {
      end = { kind: 'internal', cause };
    }
    this.stdin.release();
    let redirect: string | null = null;
    const finished: Finished | null =
      this.#refusal === null && end.kind === 'exit' && (end.status === 0 || stdout.hasOutput) ? stdout.finish() : null;
    if (finished === null || finished.kind === 'bad') {
      if (finished !== null) this.#refusal = { code: 'bad_cgi_output', message: finished.message };
      this.#fail(end);
    } else {
      this.#status = finished.kind === 'sent' ? finished.status : 302;
      redirect = finished.kind === 'redirect' ? finished.path : null;
      if (end.kind === 'exit' && end.status !== 0) process.report('warning', `exited with status ${end.status}`);
    }
    this.nowMs = performance.now();
    this.#services.usage.add(deployment.usage, this);
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
    if (this.#giveUp !== null) {
      if (this.#giveUpMs === 0) this.#giveUpMs = nowMs + closeMs;
      else if (nowMs >= this.#giveUpMs) this.#giveUp();
      return;
    }
    const { timeoutMs } = this.limits;
    if (nowMs - this.#startedMs >= timeoutMs) this.#process?.kill({ kind: 'deadline', timeoutMs });
  }

  /** Tells the budget what the guest has grown to. */
  account(): void {
    this.deployment.pool.account(this.#slot);
  }

  // EndedInvocation.

  get gas(): number {
    return this.meter.used;
  }

  get durationMs(): number {
    return this.nowMs - this.#startedMs;
  }

  get bytesIn(): number {
    return this.stdin.bytes;
  }

  get bytesOut(): number {
    return this.stdout.bodyBytes;
  }

  get logLines(): number {
    return this.#process?.logLines ?? 0;
  }

  record(): PendingInvocationRecord {
    const { spec } = this.deployment;
    const { method, address } = this.#call;
    // A Process that has run: there is no Invocation without one that ends.
    if (this.#process === null) throw new Error('not run yet');
    return {
      id: this.id,
      handlerId: spec.handlerId,
      deployment: spec.number,
      startedMs: this.#startedWallMs,
      durationMs: this.durationMs,
      method,
      path: address.path === '' ? '/' : address.path,
      status: this.#status,
      outcome: this.outcome,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      ...processUsage(this.#process, spec.module.plan),
    };
  }

  /** Whether its request is still arriving and nothing of its answer has been sent. */
  get isReceiving(): boolean {
    const { request, response } = this.#call;
    return !request.complete && !response.headersSent;
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
      this.#giveUp = resolve;
      process.closeAll().then(resolve, reject);
    });
  }

  /** Answers if that is still possible, else breaks the connection off; logs for the owner. */
  #fail(end: ProcessEnd): void {
    const { response } = this.#call;
    const canAnswer = this.stdout.abandon();
    if (this.#isAborted) {
      this.#platformLine(6, 'the client went away before the answer was complete');
      this.outcome = 'aborted';
      this.#status = this.stdout.status;
      return;
    }
    const failure = this.#refusal === null ? failureOf(end, false) : refused(this.#refusal, this.limits);
    if (failure === null) throw new Error('a Process that did not fail');
    this.#platformLine(1, failure.log);
    if (end.kind === 'internal')
      this.#services.report('an invocation failed on our side', { invocation: this.id, error: stackOf(end.cause) });
    this.outcome = failure.code;
    if (canAnswer) {
      const retry = failure.code === 'overloaded' ? { retryAfterSeconds: admission.retryAfterSeconds } : {};
      const error = new PlatformError(failure.code, failure.detail, retry);
      this.#status = answerProblem(response, error, this.id);
      return;
    }
    this.#status = this.stdout.status;
    // The answer to HEAD is complete with its head.
    if (!response.writableEnded) {
      this.#platformLine(1, 'the answer had begun already: the connection was broken off so that the client notices');
      breakOff(response);
    }
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

  #body(): StandardInput {
    const { request, response, ownsBody, expectsContinue } = this.#call;
    const length = declaredBytes(request);
    if (!ownsBody || length === 0) return emptyBody;
    const { bodyBytes } = this.limits;
    return new RequestBody({
      request,
      length,
      bytesMax: bodyBytes,
      collected: this.#services.bodies,
      onTooLarge: () => this.#refuse('body_too_large', `the request's body is larger than ${bodyBytes} bytes`),
      onNoRoom: () => this.#refuse('overloaded', 'too many request bodies of unknown length are being received'),
      onFirstRead: expectsContinue ? () => response.writeContinue() : null,
    });
  }

  #environment(): Map<string, GuestText> {
    const { spec } = this.deployment;
    const { address, request, method, target, ownsBody } = this.#call;
    const { isHttps, proxies, runnerId } = this.#services;
    // A declared length of 0 is told as well: that the body is empty is not the same as that there is none.
    const declared = request.headers['content-length'];
    return cgiEnvironment({
      request,
      method,
      uri: target,
      scriptName: address.scriptName,
      path: address.path,
      query: address.query,
      authority: address.authority,
      serverName: address.host,
      serverPort: address.port,
      client: proxies.clientOf(request.socket.remoteAddress, request.headers),
      isProxied: proxies.trusts(request.socket.remoteAddress ?? ''),
      isHttps,
      ownsBody,
      bodyBytes: declared === undefined ? this.stdin.length : Number(declared),
      invocation: this.id,
      runner: runnerId,
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

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The client must notice: with HTTP/1.0 a plain end of the connection would look like the end of the body. */
function breakOff(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || !('resetAndDestroy' in socket)) response.destroy();
  else socket.resetAndDestroy();
}
