/** Drives real runners with the real fleet; only the database is a Map. */
import { readFile } from 'node:fs/promises';
import { type Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';
import { LocalReleaseFeed } from '../../src/control/deploy/release-feed.ts';
import { RunnerFleet } from '../../src/control/fleet/fleet.ts';
import type { FleetEvent, FleetOptions } from '../../src/control/fleet/options.ts';
import { vetProgram } from '../../src/guest/component/vet-program.ts';
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { defaultLimits, type Limits } from '../../src/protocol/limits.ts';
import type {
  BusRequest,
  CallBusRequest,
  DeploymentSpec,
  OwnerState,
  RunningChange,
  UsageCount,
} from '../../src/protocol/messages.ts';
import { artifactName, withMeasures } from '../../src/protocol/module.ts';
import { type HandlerId, handlerIdOf, handlerNameOf } from '../../src/protocol/names.ts';
import type { PendingInvocationRecord, PendingLogLine } from '../../src/protocol/nouns.ts';
import type { RunnerView } from '../../src/protocol/ports.ts';
import { linesOfBlocks } from './log-blocks.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const endWithParent = `${root}test/support/end-with-parent.ts`;
const wabtReady = wabt();

export async function compileWat(source: string): Promise<Uint8Array> {
  const { parseWat } = await wabtReady;
  const features = { bulk_memory: true, reference_types: true, sign_extension: true, mutable_globals: true };
  const module = parseWat('guest.wat', source, {
    ...features,
    simd: true,
    multi_value: true,
    tail_call: true,
    exceptions: true,
  });
  return module.toBinary({ write_debug_names: true }).buffer;
}

export async function fixture(path: string): Promise<Uint8Array> {
  return readFile(new URL(`../../fixtures/guests/${path}`, import.meta.url));
}

export interface Deployed {
  readonly spec: DeploymentSpec;
  readonly bytes: Uint8Array;
}

interface Named {
  readonly handler: string;
}

const idPrefix = 'id-of-';

function named<T extends { readonly handlerId: HandlerId }>(facts: T): T & Named {
  return { ...facts, handler: facts.handlerId.slice(idPrefix.length) };
}

let deployments = 0;

/** Makes a Deployment of `bytes`, not known to any fleet yet. */
export function deploymentOf(
  handler: string,
  bytes: Uint8Array,
  options: Partial<Omit<DeploymentSpec, 'limits'>> & { readonly limits?: Partial<Limits> } = {},
): Deployed {
  const vetted = vetProgram(bytes, { provided: providedFunctions, ...providedInterfaces });
  deployments += 1;
  const spec: DeploymentSpec = {
    specId: `deployment-${deployments}`,
    ownerId: 'owner',
    handlerId: handlerIdOf(`${idPrefix}${handler}`),
    handler: handlerNameOf(handler),
    label: handler,
    preview: null,
    number: 1,
    commit: '0123456789abcdef0123456789abcdef01234567',
    artifact: artifactName(vetted.module),
    module: withMeasures(vetted.module),
    policy: null,
    env: {},
    files: [],
    passAuthorization: false,
    exactMemory: false,
    ...options,
    limits: { ...defaultLimits, ...options.limits },
  };
  return { spec, bytes: vetted.bytes };
}

export class TestFleet {
  readonly fleet: RunnerFleet;
  readonly feed = new LocalReleaseFeed({
    read: async () => ({
      specs: [...this.specs.values()],
      releases: [...this.releases].map(([label, specId]) => ({ label, specId })),
      known: [...this.known],
      unserved: [...this.unserved].map(([label, reason]) => ({ label, reason })),
      moved: [],
      domains: [],
      owners: [...this.owners.values()],
    }),
  });
  readonly artifacts = new Map<string, Uint8Array>();
  readonly specs = new Map<string, DeploymentSpec>();
  readonly releases = new Map<string, string>();
  readonly known = new Set<string>();
  /** Reasons of labels that cannot be served. */
  readonly unserved = new Map<string, string>();
  /** Suspended and limited users, by id. */
  readonly owners = new Map<string, OwnerState>();
  /** Log lines by handler name, as tests ask for them. */
  readonly lines: (PendingLogLine & Named)[] = [];
  /** Lines for calls, which are not among `lines`. */
  readonly requests: (PendingLogLine & Named)[] = [];
  readonly dropped: Record<string, number> = {};
  readonly records: (PendingInvocationRecord & Named)[] = [];
  readonly counts: (UsageCount & Named)[] = [];
  readonly events: FleetEvent[] = [];
  /** Changes reported by each living runner. */
  readonly running = new Map<string, RunningChange[]>();
  onRequest: (request: BusRequest | CallBusRequest) => Promise<Uint8Array | null> = () => Promise.resolve(null);
  readonly #watchers = new Set<() => void>();

  /** `outlive`: the runners do not end with this process, like those of a real control. */
  constructor(options: Partial<FleetOptions> = {}, { outlive = false }: { readonly outlive?: boolean } = {}) {
    const { nodeFlags = [] } = options;
    const onLogs: FleetOptions['onLogs'] = async (lines, dropped = {}) => {
      for (const line of lines.map(named)) (line.stream === 'request' ? this.requests : this.lines).push(line);
      for (const [handlerId, count] of Object.entries(dropped)) {
        const { handler } = named({ handlerId: handlerIdOf(handlerId) });
        this.dropped[handler] = (this.dropped[handler] ?? 0) + count;
      }
      this.#changed();
      return 'stored';
    };
    this.fleet = new RunnerFleet({
      runners: 1,
      program: `${root}src/bin/runner.ts`,
      programFolder: root,
      platformId: 'platform-of-the-tests',
      probeKey: 'key-of-the-tests',
      bootId: `boot-${Math.random().toString(36).slice(2)}`,
      host: '127.0.0.1',
      port: 0,
      domain: 'localhost',
      runUrl: null,
      controlUrl: 'http://127.0.0.1:1',
      egressAllow: [],
      ownPorts: [],
      releases: this.feed,
      readArtifact: async (name) => {
        const bytes = this.artifacts.get(name);
        if (bytes === undefined) throw new Error(`no Artifact ${name}`);
        return bytes;
      },
      onLogs,
      onBlocks: (blocks, dropped, id) => (options.onLogs ?? onLogs)(linesOfBlocks(blocks), dropped, id),
      onRunning: (runnerId, change) => {
        if (change === null) this.running.delete(runnerId);
        else this.running.set(runnerId, [...(this.running.get(runnerId) ?? []), change]);
        this.#changed();
      },
      onUsage: async (records, counts) => {
        this.records.push(...records.map(named));
        this.counts.push(...counts.map(named));
        this.#changed();
      },
      onRequest: (request) => this.onRequest(request),
      onEvent: (event) => {
        this.events.push(event);
        this.#changed();
      },
      ...options,
      nodeFlags: [...(outlive ? [] : [`--allow-fs-read=${endWithParent}`, '--import', endWithParent]), ...nodeFlags],
    });
  }

  start(): Promise<void> {
    return this.fleet.start();
  }

  stop(): Promise<void> {
    return this.fleet.stop();
  }

  /** Runners that are alive. */
  get runners(): readonly RunnerView[] {
    return this.fleet.list()[0].runners;
  }

  get url(): string {
    return `http://127.0.0.1:${this.fleet.port}`;
  }

  /** Prepares and releases a Deployment as control does. */
  async deploy({ spec, bytes }: Deployed): Promise<void> {
    this.artifacts.set(spec.artifact, bytes);
    await this.fleet.prepare(spec);
    this.specs.set(spec.specId, spec);
    const before = this.releases.get(spec.handler);
    this.releases.set(spec.handler, spec.specId);
    await this.fleet.applied(await this.feed.release(spec));
    if (before === undefined) return;
    this.specs.delete(before);
    this.fleet.forget(before);
  }

  async deployWat(
    handler: string,
    source: string,
    options: Parameters<typeof deploymentOf>[2] = {},
  ): Promise<Deployed> {
    const deployed = deploymentOf(handler, await compileWat(source), options);
    await this.deploy(deployed);
    return deployed;
  }

  /** Resolves with the first value that `find` returns; calls it again after each log line, record and event. */
  async until<T>(find: () => T | undefined): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  #changed(): void {
    for (const resolve of this.#watchers) resolve();
    this.#watchers.clear();
  }
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly text: string;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: Uint8Array | string;
  readonly agent?: Agent;
}

/** Makes one HTTP request, on a connection of its own unless an agent is given. */
export function call(url: string, options: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: options.method ?? 'GET', headers: options.headers ?? {}, agent: options.agent ?? false },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(parts);
          resolve({
            status: response.statusCode ?? 0,
            reason: response.statusMessage ?? '',
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body,
            text: body.toString(),
          });
        });
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

/** Makes a cwa guest that writes `output` and ends. */
export function writer(output: string): string {
  const bytes = Buffer.from(output, 'latin1');
  const data = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
  const pages = Math.max(1, Math.ceil((bytes.length + 16) / 65_536));
  return `(module
    (import "cwa" "io_get_stdout" (func $stdout (result i32)))
    (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") ${pages})
    (data (i32.const 0) "${data}")
    (func (export "_start")
      (drop (call $write (call $stdout) (i32.const 0) (i32.const ${bytes.length})))))`;
}
