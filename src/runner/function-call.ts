/** The request or trigger of a call, and the facts about it that the guest gets. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FileSystem, makeFileSystem } from '../guest/kernel/fs/file-system.ts';
import type { IncomingHttp } from '../guest/kernel/incoming-http.ts';
import type { GuestText } from '../guest/kernel/memory.ts';
import type { GasMeter } from '../guest/kernel/meter.ts';
import type { CompiledPolicy } from '../guest/kernel/policy.ts';
import type { Clock, Identity, KvService, ProcessLog, ProcessOptions, QueueService } from '../guest/kernel/process.ts';
import { type ProcessTrace, traced } from '../guest/kernel/process-trace.ts';
import type { Resource } from '../guest/kernel/resource.ts';
import type { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import type { Limits } from '../protocol/limits.ts';
import type { TraceContext } from '../protocol/trace-context.ts';
import type { Trigger } from '../protocol/trigger.ts';
import { cgiArguments, cgiEnvironment } from './cgi-request.ts';
import { ControlAway } from './control-link.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import type { StandardInput } from './request-body.ts';
import type { Address } from './routes.ts';
import type { RunnerServices } from './services.ts';
import type { InvocationTrace } from './tracing.ts';

export interface FunctionCall {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Request target as received, or the path of the local redirect. */
  readonly target: string;
  readonly address: Address;
  /** False after a local redirect: the body belonged to the first run. */
  readonly ownsBody: boolean;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** Queue or schedule that calls; null: a request of a caller. */
  readonly trigger: Trigger | null;
  /** Value of a Set-Cookie field of the platform's own for the answer; null: none. */
  readonly cookie: string | null;
  /** Place in its caller's trace; null: the caller sends none. */
  readonly caller: TraceContext | null;
  /** Trace of the call; null: the call is not traced. */
  readonly trace: InvocationTrace | null;
}

/** Parts that the Invocation has made for this guest. */
export interface GuestParts {
  readonly stdin: StandardInput;
  readonly stdout: Resource;
  readonly stderr: Resource;
  /** Request of a component with wasi:http; null: a function with CGI. */
  readonly http: IncomingHttp | null;
  readonly meter: GasMeter;
  readonly log: ProcessLog;
  /** Does what ProcessOptions.suspending does. */
  suspending(): void;
  /** Notes that a request to control has failed because control cannot be reached. */
  controlAway(): void;
}

/** Answers the kernel's queries. Most guests make few of them, so expensive values are made on demand. */
export class CallOptions implements ProcessOptions {
  readonly stdin: StandardInput;
  readonly stdout: Resource;
  readonly stderr: Resource;
  readonly meter: GasMeter;
  readonly log: ProcessLog;
  readonly #services: RunnerServices;
  readonly #deployment: LoadedDeployment;
  readonly #call: FunctionCall;
  readonly #parts: GuestParts;
  #env: ReadonlyMap<string, GuestText> | null = null;

  constructor(services: RunnerServices, deployment: LoadedDeployment, call: FunctionCall, parts: GuestParts) {
    this.#services = services;
    this.#deployment = deployment;
    this.#call = call;
    this.#parts = parts;
    this.stdin = parts.stdin;
    this.stdout = parts.stdout;
    this.stderr = parts.stderr;
    this.meter = parts.meter;
    this.log = parts.log;
  }

  get identity(): Identity {
    const { spec } = this.#deployment;
    return { handler: spec.handler, deployment: spec.number, commit: spec.commit, invocation: this.#call.id };
  }

  get args(): readonly GuestText[] {
    return this.#parts.http === null ? cgiArguments(this.#call.address) : [this.#deployment.spec.handler];
  }

  get env(): ReadonlyMap<string, GuestText> {
    this.#env ??= this.#parts.http === null ? this.#environment() : new Map(Object.entries(this.#deployment.spec.env));
    return this.#env;
  }

  get http(): IncomingHttp | undefined {
    return this.#parts.http ?? undefined;
  }

  get limits(): Limits {
    return this.#deployment.spec.limits;
  }

  get trace(): ProcessTrace | undefined {
    return this.#call.trace ?? undefined;
  }

  get policy(): CompiledPolicy | null {
    return this.#deployment.policy;
  }

  get schemes(): SchemeRegistry {
    return this.#deployment.services.schemes;
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
        lower: this.#deployment.tree(),
        pool: this.#services.scratch,
        nowNs: () => BigInt(this.#services.clock.wallMs()) * 1_000_000n,
      });
  }

  get kv(): KvService {
    const { kv } = this.#deployment.services;
    const noticing = <T>(operation: string, bucket: string, call: () => Promise<T>): Promise<T> =>
      traced(this.trace, kvPart(operation, bucket), () => this.#noticing(call()));
    return {
      get: (bucket, key) => noticing('get', bucket, () => kv.get(bucket, key)),
      put: (bucket, key, value) => noticing('put', bucket, () => kv.put(bucket, key, value)),
      replace: (bucket, key, value, expected) =>
        noticing('replace', bucket, () => kv.replace(bucket, key, value, expected)),
      delete: (bucket, key) => noticing('delete', bucket, () => kv.delete(bucket, key)),
      keys: (bucket, after) => noticing('keys', bucket, () => kv.keys(bucket, after)),
    };
  }

  get queues(): QueueService {
    const { queues } = this.#deployment.services;
    return {
      publish: (queue, message) =>
        traced(this.trace, queuePart(queue), () => this.#noticing(queues.publish(queue, message))),
    };
  }

  suspending(): void {
    this.#parts.suspending();
  }

  resumed(): void {
    this.#services.mark.enter(this.#deployment.mark);
  }

  #noticing<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      if (error instanceof ControlAway) this.#parts.controlAway();
      throw error;
    });
  }

  #environment(): ReadonlyMap<string, GuestText> {
    const { spec } = this.#deployment;
    const { id, address, request, method, target, ownsBody, trigger } = this.#call;
    const { isHttps, proxies, runnerId } = this.#services;
    // A declared length of 0 is passed on too: an empty body differs from none.
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
      invocation: id,
      runner: runnerId,
      passAuthorization: spec.passAuthorization,
      trigger: trigger?.env ?? null,
      trace: this.#call.trace,
      env: spec.env,
    });
  }
}

/** Neither keys nor values are told: both may be secret. */
function kvPart(operation: string, bucket: string) {
  const attributes = { 'db.system.name': 'trisiel.kv', 'db.operation.name': operation, 'db.namespace': bucket };
  return { name: `kv ${operation}`, kind: 'client' as const, attributes };
}

function queuePart(queue: string) {
  const attributes = {
    'messaging.system': 'trisiel',
    'messaging.operation.type': 'send',
    'messaging.destination.name': queue,
  };
  return { name: `send ${queue}`, kind: 'producer' as const, attributes };
}
