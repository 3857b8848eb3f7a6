/** Handles every request of the functions' port: finds the Deployment, admits, runs, answers. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { PlatformError } from '../protocol/errors.ts';
import { runnerLimits } from '../protocol/limits.ts';
import { logLevels } from '../protocol/nouns.ts';
import { holderPath, triedField } from '../protocol/placement.ts';
import { checkHead } from '../protocol/request-head.ts';
import { answerToProbe, type RunnerIdentity, runnerProbe } from '../protocol/runner-probe.ts';
import { readTraceparent } from '../protocol/trace-context.ts';
import { readTrigger, type Trigger, triggerField } from '../protocol/trigger.ts';
import { FairPlaces } from '../waiting/fair-places.ts';
import { AsyncCalls, isOwnPath, prefersAsync } from './async-calls.ts';
import { DeploymentLookup } from './deployment-lookup.ts';
import type { InFlight } from './in-flight.ts';
import { Invocation } from './invocation.ts';
import { previewMark } from './invocation-log.ts';
import { admission, codeLimits, localRedirectsMax } from './limits.ts';
import type { LoadedDeployment, LoadedDeployments } from './loaded-deployments.ts';
import type { OwnerLimits } from './owner-limits.ts';
import { answerProblem } from './problem-answer.ts';
import { noMemory, Refusals } from './refusals.ts';
import { declaredBytes } from './request-body.ts';
import { chooseVersion, type RolloutChoice } from './rollout-choice.ts';
import { type Address, AddressReader, type RouteTable } from './routes.ts';
import type { RunnerServices } from './services.ts';
import type { Slot } from './slot.ts';

export interface DispatcherOptions {
  readonly services: RunnerServices;
  readonly routes: RouteTable;
  readonly owners: OwnerLimits;
  readonly deployments: LoadedDeployments;
  readonly inFlight: InFlight;
  readonly domain: string;
  /** Port for SERVER_PORT where Host has none. */
  readonly defaultPort: string;
  /** Public host of the functions, under which paths lead to them, besides `domain`. */
  readonly publicHost: string;
  /** URL of the platform's own pages; null: this process does not know it. */
  readonly homeUrl: string | null;
  /** Key of the platform: holders of the key who request runnerProbe.path are answered with `identity`. */
  readonly probeKey: string;
  readonly identity: RunnerIdentity;
}

/** Attempts to load a request's code, which calls of other functions may drop again. */
const warmTriesMax = 3;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #addresses: AddressReader;
  readonly #asyncCalls: AsyncCalls;
  readonly #idPrefix = randomBytes(6).toString('hex');
  #count = 0;
  readonly #lookup: DeploymentLookup;
  readonly #refusals: Refusals;
  /** Number of requests whose Deployment is cold. */
  readonly #waitingForCode = new FairPlaces(codeLimits.requests);

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#asyncCalls = new AsyncCalls(options.services);
    this.#lookup = new DeploymentLookup(options);
    this.#refusals = new Refusals(options.services);
    this.#addresses = new AddressReader(options);
  }

  /** Returns an id for an Invocation or a refusal: unique over runners and their lives, in order within one. */
  nextId(): string {
    this.#count += 1;
    return `${this.#idPrefix}-${this.#count}`;
  }

  /** Resolves when the request has been answered; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): Promise<void> {
    const { services, inFlight, deployments, owners } = this.#options;
    const isHead = request.method === 'HEAD';
    let method = request.method ?? 'GET';
    let target = request.url ?? '/';
    let ownsBody = true;
    let authority = request.headers.host;
    let id = this.nextId();
    /** Deployment whose caller is refused; null once the Invocation `id` has run. */
    let refusing: LoadedDeployment | null = null;
    let path = target;
    /** Holds over local redirects: one caller gets one version. */
    let choice: RolloutChoice | null = null;
    try {
      checkHead(request);
      if (target === '*' && method === 'OPTIONS') {
        response.writeHead(204, ['trisiel-invocation', id]).end();
        return;
      }
      for (let redirects = 0; ; redirects++) {
        const asked = this.#address(authority, target);
        const trigger = this.#trigger(request, asked);
        const moved = this.#options.routes.movedTo(asked.label);
        if (moved !== null && trigger === null && ownsBody && !asked.byDomain) {
          redirectTo(response, asked, moved, id);
          return;
        }
        // Calls of the platform or of a custom domain, and local redirects of a function that runs, go to the present
        // name by themselves.
        const address = moved === null ? asked : { ...asked, label: moved };
        if (address.label === '.trisiel' && this.#identify(request, response, id)) return;
        const shared = this.#options.routes.sharedOf(address.label);
        if (shared === undefined) choice = null;
        else choice ??= chooseVersion(shared.rollout, request, { address, isHttps: services.isHttps });
        const found = this.#lookup.find(address, choice, request.headers[triedField]);
        if (trigger === null && address.path.endsWith(holderPath)) {
          response.writeHead(204, ['trisiel-invocation', id]).end();
          return;
        }
        // A warm Deployment is not awaited: most calls continue in the same turn.
        const deployment = found.pool === null || found.pool.makesSlowly ? await this.#ready(address, choice) : found;
        refusing = deployment;
        path = address.path;
        if (deployment.quarantine !== null) throw stopped();
        const owner = owners.admit(deployment.spec.ownerId);
        if (trigger === null && isOwnPath(address.path)) {
          await this.#asyncCalls.show({ id, request, response, address, deployment });
          return;
        }
        if (ownsBody && (declaredBytes(request) ?? 0) > deployment.spec.limits.bodyBytes) throw tooLarge(deployment);
        if (response.destroyed) return;
        if (trigger === null && ownsBody && !isHead && prefersAsync(request.headers.prefer)) {
          await this.#asyncCalls.accept({ id, request, response, address, deployment }, expectsContinue);
          return;
        }
        deployment.lastCall = this.#count;
        // The mark is set before a slot is made or restored, which may hold the thread for long.
        services.mark.enter(deployment.mark);
        const slot = this.#admit(deployment, id);
        const caller = readTraceparent(request.headers.traceparent);
        const { tracing } = services;
        const call = {
          id,
          request,
          response,
          method,
          target,
          address,
          ownsBody,
          expectsContinue,
          trigger,
          cookie: choice?.cookie ?? null,
          caller,
          trace: tracing === null ? null : tracing.begin(caller, request.headers.tracestate),
        };
        refusing = null;
        const invocation = new Invocation(services, deployment, slot, call);
        const { handler } = deployment;
        handler.inFlight += 1;
        if (owner !== null) owner.inFlight += 1;
        deployment.inFlight += 1;
        inFlight.add(invocation, request.socket);
        let next: string | null;
        try {
          next = await invocation.run();
        } finally {
          inFlight.delete(invocation, request.socket);
          handler.inFlight -= 1;
          if (owner !== null) owner.inFlight -= 1;
          deployment.inFlight -= 1;
          if (deployment.isForgotten && deployment.inFlight === 0) deployments.free(deployment);
        }
        if (next === null) break;
        const { label } = this.#address(address.authority, next);
        if (label !== asked.label) {
          redirect(response, next, id);
          break;
        }
        if (redirects >= localRedirectsMax) {
          throw new PlatformError('bad_cgi_output', `More than ${localRedirectsMax} local redirects in a row.`);
        }
        method = isHead ? 'HEAD' : 'GET';
        target = next;
        ownsBody = false;
        // Authority of an absolute target, of which `target` keeps only the path.
        authority = address.authority;
        id = this.nextId();
      }
    } catch (error) {
      const problem = asPlatformError(error);
      if (problem.code === 'internal') this.#refusals.report(error, id);
      this.#refusals.keep(problem, { id, method, path, target, deployment: refusing });
      if (response.headersSent || response.destroyed) response.destroy();
      else answerProblem(response, problem, id);
    }
  }

  /** Changes SERVER_PORT for requests that name no port. */
  set defaultPort(port: string) {
    this.#addresses.defaultPort = port;
  }

  #address(authority: string | undefined, target: string): Address {
    const address = this.#addresses.read(authority, target);
    if (address === null) throw new PlatformError('bad_request', 'The request target is no path that can be served.');
    return address;
  }

  /**
   * Returns the Deployment at `address`, with its code loaded if possible. When an instance must be made that takes
   * longer than a slice, waits for the end of the owner's rest, and for a turn like guests that compute, so that a turn
   * of the loop makes at most one.
   * Throws as DeploymentLookup.find, LoadedDeployments.warm and InstanceRests.wait do, and `overloaded` when too many
   * requests wait.
   */
  async #ready(address: Address, choice: RolloutChoice | null): Promise<LoadedDeployment> {
    const { deployments, services } = this.#options;
    let deployment = this.#lookup.find(address, choice);
    if (deployment.quarantine !== null) return deployment;
    const { ownerId } = deployment.spec;
    if (this.#waitingForCode.room(ownerId) === 0) throw overloaded('Too many requests wait for code to be loaded.');
    this.#waitingForCode.take(ownerId, 1);
    const askedMs = deployment.pool === null ? performance.now() : null;
    try {
      for (let tries = 0; tries < warmTriesMax; tries += 1) {
        await deployments.warm(deployment);
        if (deployment.pool?.makesSlowly === true) {
          const { ownerId, module } = deployment.spec;
          const isMade = await deployments.rests.wait(ownerId, module.instantiationUs / 1_000, deployment.pool);
          if (isMade) await services.scheduler.turn(deployment.handler.share, 1);
        }
        // Another version may have replaced it meanwhile, for whose instance nothing has waited.
        const waitedFor = deployment;
        deployment = this.#lookup.find(address, choice);
        if (deployment.quarantine !== null) return deployment;
        if (deployment.pool !== null && (deployment === waitedFor || !deployment.pool.makesSlowly)) return deployment;
      }
    } finally {
      this.#waitingForCode.give(ownerId, 1);
      if (askedMs !== null) services.counters.coldStarts.add((performance.now() - askedMs) / 1_000);
    }
    throw overloaded('The code of this function has been dropped or replaced again before it could run.');
  }

  /** Returns a slot to run in. Throws `overloaded`. */
  #admit(deployment: LoadedDeployment, id: string): Slot {
    const running = this.#options.inFlight.size;
    const full =
      running >= runnerLimits.inFlight &&
      (running >= runnerLimits.inFlight + admission.reserve || deployment.handler.inFlight >= admission.reserveBelow);
    if (full) throw overloaded('Too many invocations are in flight.');
    const { counters } = this.#options.services;
    if (deployment.pool !== null && deployment.pool.spare > 0) counters.poolHits += 1;
    else counters.poolMisses += 1;
    let slot: Slot | null;
    try {
      slot = deployment.pool?.take() ?? null;
    } catch (error) {
      throw this.#notInstantiated(deployment, id, error);
    }
    if (slot === null) throw overloaded(noMemory);
    return slot;
  }

  /**
   * Makes the error for an instance that could not be made: a segment outside of its memory or table traps here, or the
   * system has no memory left.
   */
  #notInstantiated(deployment: LoadedDeployment, id: string, cause: unknown): PlatformError {
    if (cause instanceof RangeError) return overloaded(noMemory);
    if (!(cause instanceof WebAssembly.RuntimeError)) {
      return new PlatformError('internal', 'Something failed on our side; the log has the cause.', { cause });
    }
    const { spec } = deployment;
    this.#options.services.logs.push({
      handlerId: spec.handlerId,
      ...previewMark(spec),
      deployment: spec.number,
      invocation: id,
      seq: 1,
      timeMs: this.#options.services.clock.wallMs(),
      gas: 0,
      stream: 'platform',
      level: logLevels.error,
      text: `trapped before its first instruction: ${cause.message}; look at the offsets of its data and element segments`,
    });
    return new PlatformError('trapped', 'The function trapped.');
  }

  /**
   * Returns the trigger of a call by control for a queue or schedule; null for any other caller, whose field is
   * ignored.
   */
  #trigger(request: IncomingMessage, address: Address): Trigger | null {
    const field = request.headers[triggerField];
    if (typeof field !== 'string') return null;
    const trigger = readTrigger(this.#options.probeKey, field);
    return trigger?.label === address.label ? trigger : null;
  }

  /** Answers holders of the platform's key and returns true; returns false for any other request, without an answer. */
  #identify(request: IncomingMessage, response: ServerResponse, id: string): boolean {
    const field = request.headers[runnerProbe.askField];
    if (request.url !== runnerProbe.path || typeof field !== 'string') return false;
    const proof = answerToProbe(this.#options.probeKey, field);
    if (proof === null) return false;
    const body = JSON.stringify(this.#options.identity);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      [runnerProbe.proofField]: proof,
      'trisiel-invocation': id,
    });
    response.end(body);
    return true;
  }
}

/** Ends every Invocation of a closed connection. */
export function watchConnection(inFlight: InFlight, socket: Socket): void {
  socket.once('close', () => inFlight.abortAll(socket, 'gone'));
}

function stopped(): PlatformError {
  return new PlatformError('unavailable', 'This function has been stopped; its owner finds the reason in its log.', {
    retryAfterSeconds: 60,
  });
}

function tooLarge(deployment: LoadedDeployment): PlatformError {
  return new PlatformError(
    'body_too_large',
    `The request's body is larger than ${deployment.spec.limits.bodyBytes} bytes.`,
  );
}

function overloaded(message: string): PlatformError {
  return new PlatformError('overloaded', message, { retryAfterSeconds: admission.retryAfterSeconds });
}

function asPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  return new PlatformError('internal', 'Something failed on our side; the log has the cause.', { cause: error });
}

/**
 * Sends the client to `path` without running the function there. Under a host that functions share, the path of a local
 * redirect may lead to another function, which the caller has not requested.
 */
function redirect(response: ServerResponse, path: string, id: string): void {
  response.writeHead(302, ['location', path, 'content-length', '0', 'trisiel-invocation', id]);
  response.end();
}

/**
 * Sends the client to the present label of a handler that was renamed (RFC 9110 section 15.4.9), with the same method
 * and body. The answer is not to be stored: another handler may take the former name later.
 */
function redirectTo(response: ServerResponse, address: Address, label: string, id: string): void {
  const { authority, byHost, path, query } = address;
  // A reference without a scheme keeps that of the request, which a proxy may have changed (RFC 3986 section 4.2).
  const place = byHost ? `//${label}${authority.slice(address.label.length)}` : `/${label}`;
  const location = `${place}${path}${query === '' ? '' : `?${query}`}`;
  const fields = ['location', location, 'cache-control', 'no-store', 'content-length', '0', 'trisiel-invocation', id];
  response.writeHead(308, fields);
  response.end();
}
