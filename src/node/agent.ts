/**
 * One node of a cluster: a fleet of runners that follows what the controls release. It joins with a token, keeps what
 * is released and its code on the disk, says every second that it lives, and passes on what runners ask and report.
 *
 *     joining --> loading --> serving --drained, removed, replaced or cut off--> ended
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Bus } from '../bus/bus.ts';
import { decodeMessage } from '../bus/codec.ts';
import { busLimits, subjects } from '../bus/limits.ts';
import {
  type Alive,
  aliveSchema,
  commandSchema,
  controlAliveSchema,
  type Joined,
  kinds,
  readMessage,
} from '../bus/messages.ts';
import { inUrl, outerHost } from '../bus/own-address.ts';
import { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import { RunnerFleet } from '../control/fleet/fleet.ts';
import type { FleetEvent, FleetOptions } from '../control/fleet/options.ts';
import { PlatformError } from '../protocol/errors.ts';
import { packByHandler } from '../protocol/log-block.ts';
import type { DeploymentSpec, TreeFile } from '../protocol/messages.ts';
import type { NodeLabels } from '../protocol/placement.ts';
import type { TraceSampling } from '../protocol/spans.ts';
import type { TrustedProxies } from '../protocol/trusted-proxies.ts';
import { BlobCache } from './blob-cache.ts';
import { Contact, knownControls } from './contact.ts';
import { Controls } from './controls.ts';
import { Follower } from './follower.ts';
import { joinCluster } from './joining.ts';
import { nodeLimits } from './limits.ts';
import { type Peer, Peers } from './peers.ts';
import { PreparedSpecs } from './prepared-specs.ts';
import { answerProfile } from './profile-answers.ts';
import { ReleaseCache } from './release-cache.ts';
import { Reports } from './reports.ts';
import { tryPort } from './try-port.ts';

export interface NodeAgentOptions {
  /** Base URLs of controls, and the token, from `wasmcloud nodes add`. */
  readonly join: { readonly urls: readonly string[]; readonly token: string };
  /** Address of the bus with credentials; null: as the control says that is joined. */
  readonly nats: string | null;
  readonly dataFolder: string;
  readonly host: string;
  readonly port: number;
  /** Base URL at which controls and proxies reach the functions of this node; null: made from host and port. */
  readonly url: string | null;
  /** Labels of this node, which manifests can ask for. */
  readonly labels: NodeLabels;
  readonly runners: number;
  readonly egressAllow: readonly string[];
  readonly trustedProxies: TrustedProxies;
  /** Which Invocations are traced, and what takes their spans; null: none. */
  readonly traces: { readonly sampling: TraceSampling; readonly take: NonNullable<FleetOptions['onSpans']> } | null;
  readonly programFolder: string;
  readonly version: string;
  /**
   * Milliseconds for which a start looks for a control, before it goes on with what is kept; absent: nodeLimits.joinMs.
   */
  readonly joinMs?: number;
  /** Flags of Node for the runners, for tests. */
  readonly nodeFlags?: readonly string[];
  /** Returns the files of a bundle. */
  readonly decodeBundle: (bytes: Uint8Array) => readonly TreeFile[];
  readonly onEvent: (event: FleetEvent) => void;
  readonly report: (message: string, error: unknown) => void;
}

/** Why a node has ended by itself. */
export type NodeEnd = 'drained' | 'removed' | 'replaced' | 'cut off';

export class NodeAgent {
  /** Resolves when the node must end. */
  readonly ended: Promise<NodeEnd>;
  readonly #options: NodeAgentOptions;
  readonly #end: (reason: NodeEnd) => void;
  readonly #bootId = randomUUID();
  readonly #sinceMs = Date.now();
  readonly #controls: Controls;
  readonly #contact: Contact;
  readonly #cache: ReleaseCache;
  readonly #follower: Follower;
  readonly #prepared: PreparedSpecs;
  #blobs: BlobCache | null = null;
  #fleet: RunnerFleet | null = null;
  #bus: Bus | null = null;
  #peers: Peers | null = null;
  #reports: Reports | null = null;
  #takeover: Server | null = null;
  #joined: Joined | null = null;
  #isServing = false;
  /** Whether this node has joined, so that refusals of controls concern it, and not its token. */
  #isMember = false;
  /** Whether it was reported that what is released cannot be read, since it was last read. */
  #isFollowReported = false;
  #calls = 0;
  #seconds = 0;
  #callsBefore = 0;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<NodeEnd>();
    this.ended = promise;
    this.#end = resolve;
    this.#cache = new ReleaseCache(join(options.dataFolder, 'released.db'));
    this.#controls = new Controls({
      urls: [...new Set([...options.join.urls, ...knownControls(this.#cache)])],
      token: options.join.token,
      onContact: () => this.#contact.answered(),
      onRefused: ({ code }) => {
        if (this.#isMember) this.#end(code === 'conflict' ? 'replaced' : 'removed');
      },
    });
    this.#contact = new Contact({
      cache: this.#cache,
      isConnected: () => this.#bus?.isConnected === true,
      urls: () => this.#controls.urls,
      onStale: (isStale) => {
        this.#fleet?.markStale(isStale);
        this.#tell();
      },
      onCutOff: () => this.#end('cut off'),
      report: options.report,
    });
    this.#prepared = new PreparedSpecs({
      prepare: async (specId, control) => {
        const spec = await this.#complete(await this.#controls.spec(specId, control));
        await this.#theFleet().prepare(spec);
      },
      // Finds out whether any other control answers.
      onOutage: () => this.#follow(),
    });
    this.#follower = new Follower({
      controls: this.#controls,
      cache: this.#cache,
      fleet: () => this.#theFleet(),
      complete: (spec) => this.#complete(spec),
      elsewhere: (placed) => this.#peers?.elsewhere(placed) ?? null,
      onChange: (revision) => {
        void this.#fleet?.applied(revision).then(() => this.#tell());
      },
      onCaughtUp: () => this.#blobs?.fill(this.#follower.blobs()),
      report: options.report,
    });
  }

  /** Id of the node, once it has joined. */
  get id(): string {
    return this.#theJoined().nodeId;
  }

  get name(): string {
    return this.#theJoined().name;
  }

  /** Base URL of the functions on this node, once it serves. */
  get url(): string {
    const { host, url } = this.#options;
    return url ?? `http://${inUrl(outerHost(host))}:${this.#theFleet().port}`;
  }

  /** Host and port at which controls call functions of this node: of its URL, unless that one is of a TLS proxy. */
  #place(): { readonly host: string; readonly port: number } {
    const { host, url } = this.#options;
    if (url === null || !url.startsWith('http:')) return { host: outerHost(host), port: this.#theFleet().port };
    const { hostname, port } = new URL(url);
    return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? 80 : Number(port) };
  }

  /**
   * Resolves when the runners serve. Throws `unauthorized` when the token is not valid, `unavailable` when no control
   * can be reached and nothing is kept from an earlier start, or when the port cannot be had.
   */
  async start(): Promise<void> {
    const { dataFolder, report } = this.#options;
    const { join: asked, joinMs = nodeLimits.joinMs } = this.#options;
    const joined = await joinCluster({ controls: this.#controls, cache: this.#cache, token: asked.token, joinMs });
    this.#joined = joined;
    this.#isMember = true;
    this.#bus = new Bus({
      url: this.#options.nats ?? joined.nats,
      name: `trisiel-node-${joined.name}`,
      role: 'node',
      report,
      onConnected: () => {
        this.#tell();
        this.#follow();
      },
    });
    const bus = this.#bus;
    this.#reports = new Reports({ bus, nodeId: joined.nodeId, bootId: this.#bootId, report });
    this.#blobs = new BlobCache({
      store: await ArtifactStore.open(join(dataFolder, 'artifacts')),
      controls: this.#controls,
      report,
    });
    await this.#follower.load();
    await this.#meet(bus, joined.nodeId);
    this.#follower.decide();
    this.#takeover = createServer((request, response) => {
      if (this.#fleet?.takeover.handles(request) === true) void this.#fleet.takeover.handle(request, response);
      else response.writeHead(404).end();
    });
    this.#takeover.listen(0, '127.0.0.1');
    await once(this.#takeover, 'listening');
    // It listens on a port, not on a socket file.
    this.#fleet = this.#makeFleet(joined, (this.#takeover.address() as AddressInfo).port);
    this.#hear(bus, joined);
    // What was released since it was read.
    this.#follow();
    this.#timers = [
      setInterval(() => this.#everySecond(), busLimits.aliveMs),
      setInterval(() => this.#contact.watch(), nodeLimits.retryMs),
    ];
    await this.#fleet.start();
    this.#isServing = true;
    this.#tell();
    this.#placeFunctions();
    this.#blobs.fill(this.#follower.blobs());
  }

  /**
   * Ends the node. `end`: lets its runners finish their calls, and ends them; `stay`: leaves them to the next start,
   * for at most `graceMs`.
   */
  async stop({ runners, graceMs }: { readonly runners: 'end' | 'stay'; readonly graceMs: number }): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#isServing = false;
    this.#tell();
    this.#peers?.close();
    this.#follower.close();
    this.#blobs?.close();
    if (runners === 'end') await this.#fleet?.stop();
    else await this.#fleet?.leave(graceMs);
    await this.#reports?.close(nodeLimits.handOverMs);
    this.#takeover?.close();
    this.#takeover?.closeAllConnections();
    await this.#bus?.close();
    await this.#controls.close();
    this.#cache.close();
  }

  /** Lets the runners of this node end now, when a start fails. */
  async abandon(): Promise<void> {
    await this.stop({ runners: 'end', graceMs: 0 }).catch(() => {});
  }

  /**
   * Begins to hear other nodes. Where it matters who lives and none is known from before, resolves when each has had
   * the time to say so: otherwise this node would hold every function at first.
   */
  async #meet(bus: Bus, id: string): Promise<void> {
    const text = this.#cache.fact('peers');
    const known = text === null ? [] : (JSON.parse(text) as readonly Peer[]); // a file that this node has written
    this.#peers = new Peers({
      ...{ bus, known, self: { id, labels: this.#options.labels }, tryPort },
      onChange: () => {
        this.#keepPeers();
        this.#placeFunctions();
      },
    });
    if (known.length > 0 || !this.#follower.hasPlaced) return;
    const isConnected = await bus.ready(nodeLimits.listenMs).then(
      () => true,
      () => false,
    );
    if (isConnected) await delay(nodeLimits.listenMs);
  }

  #keepPeers(): void {
    try {
      this.#cache.setFact('peers', JSON.stringify(this.#peers?.known() ?? []));
    } catch (error) {
      this.#options.report('the nodes that live cannot be kept on the disk', error);
    }
  }

  /** Passes on what this node holds now, once it has a fleet. */
  #placeFunctions(): void {
    if (this.#fleet === null) return;
    void this.#follower.place().then(
      () => this.#tell(),
      (error: unknown) => this.#options.report('what this node holds could not be decided', error),
    );
  }

  #makeFleet(joined: Joined, takeoverPort: number): RunnerFleet {
    const { dataFolder, host, port, runners, programFolder, egressAllow, trustedProxies, nodeFlags } = this.#options;
    const { report, onEvent, traces } = this.#options;
    return new RunnerFleet({
      runners,
      program: join(programFolder, 'src/bin/runner.ts'),
      programFolder,
      platformId: joined.platformId,
      probeKey: joined.key,
      bootId: this.#bootId,
      host,
      port,
      domain: joined.domain,
      runUrl: joined.runUrl,
      controlUrl: `http://127.0.0.1:${takeoverPort}`,
      egressAllow: [...joined.egressAllow, ...egressAllow],
      trustedProxies,
      ownPorts: [takeoverPort],
      marksStale: true,
      recordFile: join(dataFolder, 'runners.json'),
      ...(nodeFlags === undefined ? {} : { nodeFlags }),
      traces: traces?.sampling ?? null,
      ...(traces === null ? {} : { onSpans: traces.take }),
      releases: this.#follower,
      readArtifact: (name) => this.#theBlobs().get(name),
      onLogs: (lines, dropped, id) => this.#theReports().logs(packByHandler(lines), dropped, id),
      onBlocks: (blocks, dropped, id) => this.#theReports().logs(blocks, dropped, id),
      onUsage: (records, counts) => {
        for (const { invocations } of counts) this.#calls += invocations;
        return this.#theReports().usage(records, counts);
      },
      onRunning: (runnerId, change) => {
        if (change === null || change.started.length + change.ended.length > 0)
          this.#bus?.publish(subjects.running(joined.nodeId), kinds.running, { runnerId, change });
      },
      onRequest: (request) => this.#controls.request(request),
      onEvent: (event) => {
        onEvent(event);
        if (event.kind === 'runner_started' || event.kind === 'runner_ended') this.#tell();
        if (event.kind === 'unloadable') report(`${event.specId} cannot be loaded`, new Error(event.reason));
      },
    });
  }

  #hear(bus: Bus, { nodeId, epoch }: Joined): void {
    bus.subscribe(subjects.controls, ({ data }) => {
      const control = readMessage(data, kinds.control, controlAliveSchema);
      this.#controls.add(control.url);
      if (control.revision > this.#follower.revision) this.#follow();
    });
    bus.subscribe(subjects.all, ({ data }) => {
      const command = readMessage(data, kinds.command, commandSchema);
      if (command.command === 'releases' && command.revision > this.#follower.revision) this.#follow();
      else if (command.command === 'ask') this.#tell();
      else if (command.command === 'forget') {
        this.#prepared.forget(command.specId);
        this.#fleet?.forget(command.specId);
      } else if (command.command === 'cancel') this.#fleet?.cancel(command.invocation);
      else if (command.command === 'drain' && command.id === nodeId) this.#end('drained');
      else if (command.command === 'remove' && command.id === nodeId) this.#end('removed');
    });
    bus.subscribe(subjects.node(nodeId), (message) => {
      if (decodeMessage(message.data, [kinds.prepare, kinds.profile]).kind === kinds.prepare)
        this.#prepared.answer(message);
      else
        void answerProfile(message, {
          profile: (handlerId, ms) => this.#theFleet().profile(handlerId, ms),
          messageBytes: () => bus.messageBytes,
        }).catch((error: unknown) => this.#options.report('a profile could not be answered', error));
    });
    // Another process with this token has a greater epoch.
    bus.subscribe(subjects.alive(nodeId), ({ data }) => {
      if (readMessage(data, kinds.alive, aliveSchema).epoch > epoch) this.#end('replaced');
    });
  }

  async #complete(spec: DeploymentSpec): Promise<DeploymentSpec> {
    if (spec.bundle === undefined || spec.files.length > 0) return spec;
    return { ...spec, files: this.#options.decodeBundle(await this.#theBlobs().get(spec.bundle)) };
  }

  #follow(): void {
    // Nobody would take changes yet.
    if (this.#fleet === null) return;
    // A control that cannot be reached now is asked again in a second.
    void this.#follower.follow().then(
      () => {
        this.#isFollowReported = false;
      },
      (error: unknown) => {
        if (error instanceof PlatformError && error.code === 'unavailable') {
          this.#contact.unanswered();
          return;
        }
        if (!this.#isFollowReported) this.#options.report('what is released cannot be read; trying again', error);
        this.#isFollowReported = true;
      },
    );
  }

  #everySecond(): void {
    this.#callsBefore = this.#calls;
    this.#calls = 0;
    this.#tell();
    this.#seconds += 1;
    if (this.#follower.mustPlace) this.#placeFunctions();
    const isSure = this.#bus?.isConnected === true && this.#contact.isAnswered;
    // A wake may have been lost, and a removed node may not have heard of it.
    if (!isSure || this.#seconds % nodeLimits.askSeconds === 0) this.#follow();
  }

  /** Says that this node lives, and what it has applied. */
  #tell(): void {
    const fleet = this.#fleet;
    if (fleet === null || this.#bus === null) return;
    const [{ revision, runners }] = fleet.list();
    const { nodeId, epoch } = this.#theJoined();
    const alive: Alive = {
      ...{ id: nodeId, epoch, bootId: this.#bootId, version: this.#options.version },
      ...{ url: this.url, ...this.#place() },
      // The fleet counts changes only; what was loaded at its start is part of it.
      revision: fleet.isSettled ? this.#follower.revision : revision,
      isServing: this.#isServing && fleet.isServing,
      isStale: this.#contact.isStale,
      sinceMs: this.#sinceMs,
      labels: this.#follower.labels,
      ...(Object.keys(this.#options.labels).length === 0 ? {} : { nodeLabels: this.#options.labels }),
      calls: this.#callsBefore,
      runners: runners.map((runner) => ({ ...runner })),
    };
    this.#bus.publish(subjects.alive(nodeId), kinds.alive, alive);
  }

  #theJoined(): Joined {
    if (this.#joined === null) throw new Error('the node has not joined');
    return this.#joined;
  }

  #theFleet(): RunnerFleet {
    if (this.#fleet === null) throw new Error('the node has no fleet yet');
    return this.#fleet;
  }

  #theBlobs(): BlobCache {
    if (this.#blobs === null) throw new Error('the node has no blobs yet');
    return this.#blobs;
  }

  #theReports(): Reports {
    if (this.#reports === null) throw new Error('the node reports nothing yet');
    return this.#reports;
  }
}
