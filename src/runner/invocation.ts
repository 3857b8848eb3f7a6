/**
 * One Invocation: a Process in a slot, between a request and its answer.
 *
 *     receiving --> running --> closing --> answered
 *         |            |           |
 *         +-- a kill by deadline, client or limits ends the Process; the same path is gone to its end
 *
 * receiving: a body of unknown length is collected (others skip it). running: the guest has the slot. closing: what
 * the guest left open closes, at most closeMs. answered: the slot is free, the answer has been handed to the socket.
 *
 * What others see of it: the guest's kernel its CallOptions (function-call.ts), its gas GasSlices, its log
 * InvocationLog; InFlight `abort`, `evict`, `tick` and `account`; its output CgiOutputHost; the reporter
 * EndedInvocation.
 */
import type { ServerResponse } from 'node:http';
import { layOutDescriptors } from '../guest/kernel/abi/layout.ts';
import type { SampledSlices } from '../guest/kernel/gas-sampler.ts';
import { GasMeter } from '../guest/kernel/meter.ts';
import { Process } from '../guest/kernel/process.ts';
import type { ProcessEnd } from '../guest/kernel/process-end.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import type { ErrorCode, PlatformError } from '../protocol/errors.ts';
import {
  type InvocationOutcome,
  type LogLevelName,
  logLevels,
  type PendingInvocationRecord,
} from '../protocol/nouns.ts';
import { AnswerOptions } from './answer-options.ts';
import { CapturedOutput } from './captured-output.ts';
import type { HeadMemo } from './cgi-head.ts';
import { CgiOutput, type CgiOutputHost, type Finished } from './cgi-output.ts';
import { answerFailure, breakOff } from './failed-answer.ts';
import { failureOf, type Refusal, refused } from './failure.ts';
import { CallOptions, type FunctionCall, type GuestParts } from './function-call.ts';
import { GasSlices } from './gas-slices.ts';
import { HttpAnswer } from './http-answer.ts';
import { InvocationLog, type LogSource, previewMark } from './invocation-log.ts';
import { invocationRecord } from './invocation-record.ts';
import { invocationSpan } from './invocation-span.ts';
import { closeMs, usageLimits } from './limits.ts';
import { LineLog } from './line-log.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import { declaredBytes, emptyBody, RequestBody, type StandardInput } from './request-body.ts';
import type { RunnerServices } from './services.ts';
import type { SharedOrigin } from './shared-origin.ts';
import type { Slot } from './slot.ts';
import type { EndedInvocation, RecordKeeping } from './usage-reporter.ts';

/** Why a call ends early for its client's sake: the connection has closed, or its body cannot be read. */
export type AbortReason = 'gone' | PlatformError;

export class Invocation implements GuestParts, CgiOutputHost, EndedInvocation {
  readonly id: string;
  readonly deployment: LoadedDeployment;
  readonly log: InvocationLog;
  readonly meter: GasMeter;
  readonly stdin: StandardInput;
  readonly stdout: Resource;
  readonly stderr: LineLog;
  /** Answer of a component with wasi:http; null: a function with CGI. */
  readonly http: HttpAnswer | null;
  readonly #output: CgiOutput | CapturedOutput;
  readonly #requestBody: StandardInput;
  outcome: InvocationOutcome = 'running';
  isOfPlatform = false;
  isListed = false;
  /** End in monotonic milliseconds; 0 until it has been answered. */
  nowMs = 0;
  /** Index in InFlight, followed by the next Invocation for a request of the same connection. */
  place = 0;
  nextOnSocket: Invocation | null = null;
  readonly #services: RunnerServices;
  readonly #call: FunctionCall;
  readonly #slot: Slot;
  readonly #guest: Process;
  readonly #source: LogSource;
  /** Slices with stacks in between; null: nobody profiles the function. */
  readonly #sampled: SampledSlices | null;
  readonly #startedMs: number;
  /** Milliseconds of wall clock for the whole call. */
  readonly #timeoutMs: number;
  readonly #startedWallMs: number;
  #state: 'receiving' | 'running' | 'closing' | 'answered' = 'receiving';
  #status = 0;
  /** Reason for which the platform has ended it; null: the guest's own end counts. */
  #refusal: Refusal | null = null;
  /** Why its client gets no answer of the guest; null: it may still get one. */
  #abortReason: AbortReason | null = null;
  /** Why it failed, for the owner; null: it has not. */
  #error: string | null = null;
  /** Stops waiting for resources to close; null: none are closing. */
  #giveUp: (() => void) | null = null;
  /** Monotonic milliseconds at which #giveUp is called; 0 until a tick has seen the closing. */
  #giveUpMs = 0;

  constructor(services: RunnerServices, deployment: LoadedDeployment, slot: Slot, call: FunctionCall) {
    const { spec } = deployment;
    this.#services = services;
    this.deployment = deployment;
    this.#slot = slot;
    this.#call = call;
    this.id = call.id;
    this.#startedMs = performance.now();
    this.#timeoutMs = Math.min(spec.limits.timeoutMs, call.trigger?.timeoutMs ?? Number.POSITIVE_INFINITY);
    this.#startedWallMs = services.clock.wallMs();
    const { handlerId, number: deploymentNumber } = spec;
    this.#source = { handlerId, deployment: deploymentNumber, invocation: call.id, ...previewMark(spec) };
    this.log = new InvocationLog(this.#source, services.logs);
    const slices = new GasSlices(services.scheduler, deployment.handler.share, this.log, this.#startedMs);
    this.#sampled = services.profiles.slices(spec, slices);
    this.meter = new GasMeter(spec.limits.gas, this.#sampled ?? slices);
    this.#requestBody = this.#body();
    this.stderr = new LineLog('stderr', (line) => this.#guest.log(logLevels.warning, 'stderr', line));
    if (spec.module.plan.entry.isHttp === true) {
      const output = new CgiOutput(this);
      this.#output = output;
      this.http = new HttpAnswer(new AnswerOptions(services, deployment, call, { body: this.#requestBody, output }));
      this.stdin = emptyBody;
      this.stdout = new LineLog('stdout', (line) => this.#guest.log(logLevels.info, 'log', line));
    } else {
      // An asynchronous request is answered like any other; queues and schedules only take output.
      const isAnswered = call.trigger === null || call.trigger.kind === 'async';
      const output = isAnswered ? new CgiOutput(this) : new CapturedOutput(call.response, call.id);
      this.#output = output;
      this.http = null;
      this.stdin = this.#requestBody;
      this.stdout = output;
    }
    this.#guest = new Process(new CallOptions(services, deployment, call, this));
  }

  /**
   * Runs the guest and answers; never throws. Resolves when it has been answered: with null, or with the path of a
   * local redirect that must be answered instead.
   */
  async run(): Promise<string | null> {
    const { deployment } = this;
    const output = this.#output;
    let end: ProcessEnd;
    this.#services.usage.begin(deployment.usage);
    try {
      layOutDescriptors(this.#guest, deployment.spec.module.plan);
      // wasi:http streams bodies; only CGI needs their length before it runs.
      const body = this.#requestBody;
      const collecting = this.http === null || body.length !== null ? body.collect() : null;
      // Rejects when the Process ends first, which the instance notices.
      if (collecting !== null) await this.#guest.wait(collecting).catch(() => {});
      this.#state = 'running';
      end = await this.#slot.guest.run(this.#guest);
      this.#sampled?.ended(this.meter.used);
      const closing = this.#close();
      if (closing !== null) await closing;
    } catch (cause) {
      end = { kind: 'internal', cause };
    }
    this.#requestBody.release();
    let redirect: string | null = null;
    const finished: Finished | null =
      this.#refusal === null && end.kind === 'exit' && (end.status === 0 || output.hasOutput)
        ? (this.http ?? output).finish()
        : null;
    if (finished === null || finished.kind === 'bad') {
      if (finished !== null) this.#refusal = { code: finished.code ?? 'bad_cgi_output', message: finished.message };
      this.#fail(end);
    } else {
      this.#status = finished.kind === 'sent' ? finished.status : 302;
      redirect = finished.kind === 'redirect' ? finished.path : null;
      this.#exited(end);
    }
    if (this.outcome === 'running') this.outcome = 'ok';
    this.nowMs = performance.now();
    this.#state = 'answered';
    this.#call.trace?.end(
      invocationSpan(this.#call, deployment.spec, {
        outcome: this.outcome,
        status: this.#status,
        gas: this.gas,
        error: this.#error,
      }),
    );
    this.#services.usage.end(deployment.usage, this);
    this.#logRequest();
    this.#services.mark.advance();
    deployment.pool?.give(this.#slot, end.kind === 'exit' && this.#refusal === null);
    return redirect;
  }

  // Methods for InFlight.

  /**
   * Ends the Process because its client has gone, or has sent what cannot be read. The first reason counts. A component
   * that has given its whole answer goes on, as it does for a client that keeps its connection.
   */
  abort(reason: AbortReason): void {
    if (this.#call.request.complete && this.http?.isWhole === true) return;
    // What cannot be read behind a whole request is not of this one.
    this.#abortReason ??= this.#call.request.complete ? 'gone' : reason;
    this.#guest.kill({ kind: 'aborted', message: 'the client went away' });
  }

  /** Ends the Process because its owner wants it. */
  cancel(): void {
    this.#refuse('cancelled', 'ended by a member of its team');
  }

  /** Ends the Process because of the platform's own limits. */
  evict(message: string): void {
    this.#refuse('overloaded', message);
  }

  /** Compares deadlines with the clock, every tickMs. `nowMs`: monotonic milliseconds. */
  tick(nowMs: number): void {
    if (this.#state === 'closing') {
      if (this.#giveUpMs === 0) this.#giveUpMs = nowMs + closeMs;
      else if (nowMs >= this.#giveUpMs) this.#giveUp?.();
      return;
    }
    const timeoutMs = this.#timeoutMs;
    const runningMs = nowMs - this.#startedMs;
    if (runningMs >= timeoutMs) this.#guest.kill({ kind: 'deadline', timeoutMs });
    if (!this.isListed && runningMs >= usageLimits.listedAfterMs) this.isListed = this.#services.usage.list(this);
  }

  /** Reports the guest's present memory to the budget. */
  account(): void {
    this.deployment.pool?.account(this.#slot);
  }

  /** Bytes of guest memory that it holds now. */
  get memoryBytes(): number {
    return this.#slot.bytes;
  }

  /** Whether its request is still arriving and no byte of its answer has been sent. */
  get isReceiving(): boolean {
    const { request, response } = this.#call;
    return !request.complete && !response.headersSent;
  }

  // Methods for GuestParts.

  /** Sends the output so far: its readers would otherwise wait as long as the guest. */
  suspending(): void {
    this.#output.sendPending();
    this.log.release();
  }

  /**
   * Ends the Process because a request to control failed while control could not be reached. A guest that ignores the
   * error would answer as if a value were missing, or had been stored; so its caller is answered 503.
   */
  controlAway(): void {
    this.#refuse('unavailable', 'kv and queues cannot be reached while control is away; try again');
  }

  // Methods for CgiOutputHost.

  get response(): ServerResponse {
    return this.#call.response;
  }

  get isHead(): boolean {
    return this.#call.method === 'HEAD';
  }

  get cookie(): string | null {
    return this.#call.cookie;
  }

  get headMemo(): HeadMemo {
    return this.deployment.headMemo;
  }

  get origin(): SharedOrigin {
    return this.#call.address;
  }

  warn(message: string): void {
    this.#guest.report('warning', message);
  }

  badOutput(message: string): void {
    this.#refuse('bad_cgi_output', message);
  }

  flushWanted(output: CgiOutput): void {
    this.#services.flushes.add(output);
  }

  // Fields for EndedInvocation.

  get gas(): number {
    return this.meter.used;
  }

  get durationMs(): number {
    return (this.outcome === 'running' ? performance.now() : this.nowMs) - this.#startedMs;
  }

  get bytesIn(): number {
    return this.#requestBody.bytes;
  }

  get bytesOut(): number {
    return this.#output.bodyBytes;
  }

  get logLines(): number {
    return this.#guest.logLines;
  }

  get status(): number {
    return this.#status;
  }

  get traceId(): string | null {
    const { trace, caller } = this.#call;
    const recorded = trace ?? caller;
    return recorded?.isSampled === true ? recorded.traceId : null;
  }

  get keeping(): RecordKeeping {
    if (this.outcome !== 'ok') return 'always';
    return this.logLines === 0 ? 'sampled' : 'logged';
  }

  record(): PendingInvocationRecord {
    return invocationRecord(this, {
      call: this.#call,
      guest: this.#guest,
      startedMs: this.#startedWallMs,
      error: this.#error,
    });
  }

  // The end of the Invocation.

  #refuse(code: ErrorCode, message: string): void {
    this.#refusal ??= { code, message };
    this.#guest.kill({ kind: 'aborted', message });
  }

  /** Resolves when all open resources have closed, after closeMs at the latest; null: none is open. */
  #close(): Promise<void> | null {
    this.stderr.close();
    this.#state = 'closing';
    const closing = this.#guest.closeAll();
    if (closing === undefined) return null;
    return new Promise((resolve, reject) => {
      this.#giveUp = resolve;
      closing.then(resolve, reject);
    });
  }

  /** Logs an exit whose answer has been sent. */
  #exited(end: ProcessEnd): void {
    if (end.kind !== 'exit' || end.status === 0) {
      this.log.release();
      return;
    }
    this.log.fail();
    this.#error = `exited with status ${end.status}`;
    this.#guest.report('warning', this.#error);
  }

  /** Answers if that is still possible, else breaks the connection off; logs the failure for the owner. */
  #fail(end: ProcessEnd): void {
    const { response } = this.#call;
    const canAnswer = this.#output.abandon();
    if (this.#abortReason !== null) {
      this.log.release();
      const unreadable = this.#abortReason === 'gone' ? null : this.#abortReason;
      this.#error =
        unreadable === null
          ? 'the client went away before the answer was complete'
          : `the client sent a body that cannot be read: ${unreadable.message}`;
      this.#platformLine('info', this.#error);
      this.outcome = unreadable?.code ?? 'aborted';
      this.#status = canAnswer && unreadable !== null ? unreadable.status : this.#output.status;
      return;
    }
    const { spec } = this.deployment;
    const failure = this.#refusal === null ? failureOf(end, false, spec) : refused(this.#refusal, spec);
    if (failure === null) throw new Error('a Process that did not fail');
    this.log.fail();
    this.#error = failure.log;
    this.#platformLine('error', failure.log);
    if (end.kind === 'internal')
      this.#services.report('an invocation failed on our side', { invocation: this.id, error: stackOf(end.cause) });
    this.outcome = failure.code;
    if (canAnswer) {
      this.#status = answerFailure(this.#call, failure, { isBegun: this.http?.isBegun ?? true });
      return;
    }
    this.#status = this.#output.status;
    // The answer to HEAD is complete after its head.
    if (!response.writableEnded) {
      this.#platformLine(
        'error',
        'the answer had begun already: the connection was broken off so that the client notices',
      );
      breakOff(response);
    }
  }

  #logRequest(): void {
    this.#services.requests.add({
      source: this.#source,
      settings: this.deployment.spec.requestLines,
      seq: this.#guest.logLines + 1,
      method: this.#call.method,
      target: this.#call.target,
      status: this.#status,
      outcome: this.outcome,
      durationMs: this.durationMs,
      gas: this.gas,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
    });
  }

  /** Writes a line even above the limit of lines, so that the owner sees why the call failed. */
  #platformLine(level: LogLevelName, text: string): void {
    this.#guest.logLines += 1;
    this.log.line({
      seq: this.#guest.logLines,
      timeMs: this.#services.clock.wallMs(),
      gas: this.meter.used,
      stream: 'platform',
      level: logLevels[level],
      text,
    });
  }

  #body(): StandardInput {
    const { request, response, ownsBody, expectsContinue } = this.#call;
    const length = declaredBytes(request);
    if (!ownsBody || length === 0) return emptyBody;
    const { bodyBytes } = this.deployment.spec.limits;
    return new RequestBody({
      request,
      length,
      bytesMax: bodyBytes,
      collected: this.#services.bodies,
      onTooLarge: () => this.#refuse('body_too_large', `the request's body is larger than ${bodyBytes} bytes`),
      onNoRoom: () => {
        this.isOfPlatform = true;
        this.#refuse('overloaded', 'too many request bodies of unknown length are being received');
      },
      onFirstRead: expectsContinue ? () => response.writeContinue() : null,
    });
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
