/**
 * One runner process.
 *
 *     booting --config--> loading --serve--> serving --drain--> draining --> ended
 *                                              |                   ^
 *                                 control ends, planned or not     |
 *                                              v                   |
 *                                           orphan --replaced------+
 */

import { randomFillSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ScratchPool } from '../guest/kernel/fs/quota.ts';
import { systemClock } from '../guest/kernel/local-run.ts';
import { createEgress } from '../guest/kernel/net/egress.ts';
import { preloadNetwork } from '../guest/kernel/resources/network.ts';
import { guestStacks } from '../guest/kernel/stacks.ts';
import { messageOf } from '../protocol/errors.ts';
import { MIB } from '../protocol/limits.ts';
import type { RunnerConfig, RunnerStats } from '../protocol/messages.ts';
import { TrustedProxies } from '../protocol/trusted-proxies.ts';
import { ByteBudget } from '../waiting/byte-budget.ts';
import { BusyMark } from './busy-mark.ts';
import { CodeStore } from './code-store.ts';
import { collectGarbage } from './collect-garbage.ts';
import { type Channel, ControlLink, type ToRunnerItself } from './control-link.ts';
import { artifactOf, handlerServices } from './control-services.ts';
import { ControlTurns } from './control-turns.ts';
import { Dispatcher } from './dispatcher.ts';
import { FlushQueue } from './flush-queue.ts';
import { HandlerStates } from './handler-states.ts';
import { InFlight } from './in-flight.ts';
import { busRequestsUnderway, codeLimits, collectedBodyBytes, orphanLimits, poolLimits } from './limits.ts';
import { LoadedDeployments } from './loaded-deployments.ts';
import { type Fate, LogBuffer } from './log-buffer.ts';
import { LogSpool } from './log-spool.ts';
import { MemoryBudget } from './memory-budget.ts';
import { OwnerLimits } from './owner-limits.ts';
import { Profiles } from './profiles.ts';
import { RequestLines } from './request-lines.ts';
import { RouteTable } from './routes.ts';
import { RunnerCounters } from './runner-counters.ts';
import { Scheduler } from './scheduler.ts';
import { RunnerServer } from './server.ts';
import { Takeover } from './takeover.ts';
import { Tracing } from './tracing.ts';
import { UsageReporter } from './usage-reporter.ts';

/** Bytes of files in /tmp of all Processes of a runner together. */
const scratchBytes = 512 * MIB;

export interface RunnerOptions {
  readonly channel: Channel;
  readonly pid: number;
  /** Descriptor of the file that control reads when this process has died; null: none. */
  readonly markDescriptor: number | null;
  /** Descriptor of the file for log lines that no control takes; null: none. */
  readonly spoolDescriptor?: number | null;
  /** Reports one line to the operator of the platform. */
  readonly report: (event: string, facts?: Readonly<Record<string, unknown>>) => void;
  readonly exit: (status: number) => void;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #link: ControlLink;
  readonly #routes = new RouteTable();
  readonly #owners = new OwnerLimits();
  readonly #logs: LogBuffer;
  readonly #usage: UsageReporter;
  readonly #requests: RequestLines;
  readonly #counters = new RunnerCounters();
  #tracing: Tracing | null = null;
  #loaded: Loaded | null = null;
  #takeover: Takeover | null = null;
  /** Milliseconds that it may live as an orphan. */
  #lifetimeMs: number = orphanLimits.lifetimeMs;
  #rssBytes = 0;
  #isStarved = false;
  #state: 'booting' | 'loading' | 'serving' | 'orphan' | 'draining' = 'booting';

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#link = new ControlLink(options.channel, {
      message: (message) => this.#receive(message),
      lost: () => this.#orphaned(),
    });
    this.#usage = new UsageReporter((usage, sent) => {
      const andLines = (fate: Fate): void => {
        sent(fate);
        // The lines may have waited for these records.
        this.#logs.resume();
      };
      if (this.#link.isConnected) return this.#link.deliver({ kind: 'usage', ...usage }, andLines);
      return this.#takeover?.send({ usage }, andLines) ?? false;
    });
    const spool = new LogSpool(options.spoolDescriptor ?? null);
    this.#logs = new LogBuffer({
      // Sends records before lines: a reader of an Invocation's last line finds its record.
      sendFirst: () => {
        this.#usage.flush();
        return this.#usage.hasSentRecords;
      },
      send: (logs, sent) => {
        if (this.#link.isConnected) return this.#link.deliver({ kind: 'logs', ...logs }, sent);
        return this.#takeover?.send({ logs }, sent) ?? false;
      },
      spill: {
        isOpen: () => !this.#link.isConnected && spool.isOpen,
        write: (series, batch) => spool.write(series, batch),
      },
    });
    this.#requests = new RequestLines({
      sink: this.#logs,
      wallMs: () => systemClock.wallMs(),
      nowMs: () => performance.now(),
    });
    this.#link.send({ kind: 'booted' });
  }

  /**
   * Handles SIGTERM or SIGINT. A signal to the process group or the service reaches control as well, which decides
   * about its runners; so the signal counts only when control has gone.
   */
  signalled(): void {
    if (!this.#link.isConnected) void this.#drain(0);
  }

  #receive(message: ToRunnerItself): void {
    switch (message.kind) {
      case 'config':
        this.#loaded = this.#load(message.config);
        this.#state = 'loading';
        return;
      case 'ping':
        this.#link.send({ kind: 'pong', n: message.n, stats: this.#stats() });
        return;
      case 'leave':
        this.#lifetimeMs = message.lifetimeMs;
        this.#flush();
        this.#link.leave();
        return;
      case 'drain':
        void this.#drain(0);
        return;
      case 'stale':
        if (this.#loaded !== null) this.#loaded.server.isStale = message.isStale;
        return;
    }
    const loaded = this.#loaded;
    if (loaded === null) throw new Error(`${message.kind} before config`);
    const { deployments } = loaded;
    switch (message.kind) {
      case 'prepare': {
        const { specId } = message.spec;
        deployments.prepare(message.spec, message).then(
          () => this.#link.send({ kind: 'prepared', specId, error: null }),
          (error: unknown) => this.#link.send({ kind: 'prepared', specId, error: messageOf(error) }),
        );
        return;
      }
      case 'release': {
        const deployment = deployments.find(message.specId);
        if (deployment === undefined) {
          this.#options.report('release of an unknown spec', { ...message });
          return;
        }
        const { rollout } = message;
        const shared = rollout === null ? undefined : deployments.find(rollout.specId);
        if (rollout !== null && shared === undefined)
          this.#options.report('gradual release of an unknown spec', { ...message });
        this.#routes.set(
          message.label,
          deployment,
          rollout === null || shared === undefined ? null : { rollout, deployment: shared },
        );
        return;
      }
      case 'announce':
        this.#routes.set(message.label, null);
        return;
      case 'unserved':
        this.#routes.setUnserved(message.label, message.reason);
        return;
      case 'elsewhere': {
        const { label, nodes, labels } = message;
        this.#routes.setElsewhere(label, { nodes, labels });
        return;
      }
      case 'redirect':
        this.#routes.redirect(message.label, message.to);
        return;
      case 'domain':
        this.#routes.setDomain(message.domain, message.to);
        return;
      case 'remove':
        this.#routes.remove(message.label);
        return;
      case 'forget':
        deployments.forget(message.specId);
        return;
      case 'quarantine': {
        const deployment = deployments.find(message.specId);
        if (deployment !== undefined) deployment.quarantine = message.reason;
        return;
      }
      case 'owner':
        this.#owners.set(message.owner);
        return;
      case 'cancel':
        loaded.inFlight.cancel(message.invocation);
        return;
      case 'profile': {
        const { id, handlerId, ms } = message;
        void loaded.profiles.take(handlerId, ms).then((profile) => this.#link.send({ kind: 'profiled', id, profile }));
        return;
      }
      case 'serve':
        void this.#serve(loaded);
        return;
    }
  }

  #load(config: RunnerConfig): Loaded {
    const budget = new MemoryBudget(config.poolBytes);
    const egress = createEgress({ allow: config.egressAllow, ownPorts: config.ownPorts });
    // Started now and awaited before the port opens: in the first guest's call it would delay all functions.
    const network = preloadNetwork(egress);
    network.catch(() => {});
    const services = { link: this.#link, turns: new ControlTurns(busRequestsUnderway), egress };
    const handlers = new HandlerStates((owner) => handlerServices(services, owner));
    const mark = new BusyMark(this.#options.markDescriptor);
    const codes = new CodeStore({ read: (name) => artifactOf(this.#link, name), collect: collectGarbage });
    const deployments = new LoadedDeployments({
      budget,
      handlers,
      codes,
      mark,
      onUnloadable: ({ specId }, reason) => this.#link.send({ kind: 'unloadable', specId, reason }),
    });
    if (config.traces !== null)
      this.#tracing = new Tracing({
        sampling: config.traces,
        send: (spans, dropped) => this.#link.send({ kind: 'spans', spans, dropped }),
      });
    const inFlight = new InFlight(budget);
    const runUrl = new URL(config.runUrl);
    const scheduler = new Scheduler();
    const profiles = new Profiles();
    const dispatcher = new Dispatcher({
      services: {
        runnerId: config.runnerId,
        isHttps: runUrl.protocol === 'https:',
        clock: systemClock,
        random: (into) => void randomFillSync(into),
        logs: this.#logs,
        usage: this.#usage,
        requests: this.#requests,
        counters: this.#counters,
        tracing: this.#tracing,
        scheduler,
        profiles,
        mark,
        flushes: new FlushQueue(),
        scratch: new ScratchPool(scratchBytes),
        bodies: new ByteBudget(collectedBodyBytes),
        proxies: TrustedProxies.parse(config.trustedProxies),
        report: this.#options.report,
      },
      routes: this.#routes,
      owners: this.#owners,
      deployments,
      inFlight,
      domain: config.domain,
      defaultPort: portOf(runUrl),
      publicHost: runUrl.hostname,
      probeKey: config.probeKey,
      // Behind a proxy control has another, public address, which runners do not know.
      homeUrl: config.domain === 'localhost' ? config.controlUrl : null,
      identity: {
        platformId: config.platformId,
        bootId: config.controlBootId,
        runnerId: config.runnerId,
        pid: this.#options.pid,
        controlUrl: config.controlUrl,
      },
    });
    const server = new RunnerServer({
      dispatcher,
      inFlight,
      onError: (error) => this.#options.report('a request failed on our side', { error: messageOf(error) }),
    });
    setInterval(() => {
      deployments.sweep();
      guestStacks.sweep();
    }, poolLimits.sweepMs).unref();
    return { config, network, budget, deployments, inFlight, scheduler, profiles, dispatcher, server, port: 0 };
  }

  async #serve(loaded: Loaded): Promise<void> {
    const { config, server } = loaded;
    try {
      await loaded.network;
      loaded.port = await server.listen(config.host, config.port);
      // When the runner picks the port, the URL of the functions contains none.
      if (portOf(new URL(config.runUrl)) === '0') loaded.dispatcher.defaultPort = String(loaded.port);
    } catch (error) {
      this.#link.send({ kind: 'failed', message: messageOf(error) }, () => this.#options.exit(1));
      return;
    }
    this.#state = 'serving';
    // Calls are answered from here on. Control is told when most code is compiled: control may end, and then cold code
    // cannot be loaded; and runners of an earlier control should not give way to one that must compile first.
    await Promise.race([loaded.deployments.warmAll(), delay(codeLimits.readyMs, undefined, { ref: false })]);
    this.#link.send({ kind: 'listening', port: loaded.port });
  }

  #orphaned(): void {
    if (this.#state === 'draining') return;
    const loaded = this.#loaded;
    if (this.#state !== 'serving' || loaded === null) {
      this.#options.exit(1);
      return;
    }
    this.#state = 'orphan';
    this.#options.report('control has gone; serving on');
    loaded.server.isStale = loaded.config.marksStale;
    const { host } = loaded.config;
    const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
    const runnersUrl = `http://${address.includes(':') ? `[${address}]` : address}:${loaded.port}`;
    this.#takeover = new Takeover({
      ...loaded.config,
      pid: this.#options.pid,
      runnersUrl,
      lifetimeMs: this.#lifetimeMs,
      onReachable: () => this.#flush(),
    });
    void this.#takeover.replaced().then((reason) => {
      this.#options.report('ending', { reason });
      return this.#drain(orphanLimits.idleMs);
    });
  }

  /** Finishes in-flight work, hands over log and usage, ends. Control's SIGKILL or the deadline bounds the time. */
  async #drain(idleMs: number): Promise<void> {
    if (this.#state === 'draining') return;
    const wasServing = this.#state === 'serving' || this.#state === 'orphan';
    this.#state = 'draining';
    if (wasServing) await this.#loaded?.server.drain({ idleMs, onClosed: () => void this.#takeover?.closed() });
    await this.#handOver();
    this.#options.exit(0);
  }

  async #handOver(): Promise<void> {
    this.#requests.flush();
    const endMs = performance.now() + orphanLimits.handOverMs;
    for (;;) {
      this.#flush();
      if (this.#logs.isEmpty && this.#usage.isEmpty) return;
      if (this.#link.isConnected) await new Promise((resolve) => setImmediate(resolve));
      else if (this.#takeover === null || performance.now() >= endMs) {
        this.#logs.spillAll();
        return;
      } else if (!(await this.#takeover.ask())) await delay(orphanLimits.askMs);
    }
  }

  #flush(): void {
    this.#tracing?.flush();
    this.#usage.flush();
    this.#logs.flush();
  }

  /**
   * Returns the resident memory of the process, in bytes. Reading it takes a file descriptor. Without free descriptors
   * libuv silently closes new connections (uv__emfile_trick), so the operator is told here, once until there are free
   * ones again.
   */
  #residentBytes(): number {
    try {
      this.#rssBytes = process.memoryUsage.rss();
      this.#isStarved = false;
    } catch (error) {
      if (!this.#isStarved)
        this.#options.report('no file descriptor is left; raise ulimit -n', { error: String(error) });
      this.#isStarved = true;
    }
    return this.#rssBytes;
  }

  #stats(): RunnerStats {
    const loaded = this.#loaded;
    return {
      inFlight: loaded?.inFlight.size ?? 0,
      suspended: loaded?.scheduler.waiting ?? 0,
      rssBytes: this.#residentBytes(),
      poolBytes: loaded?.budget.usedBytes ?? 0,
      deployments: loaded?.deployments.size ?? 0,
      stallMs: loaded?.inFlight.takeStallMs() ?? 0,
      codeBytes: loaded?.deployments.codeBytes ?? 0,
      counters: this.#counters.toData(this.#usage.recordsDropped),
    };
  }
}

interface Loaded {
  readonly config: RunnerConfig;
  /** Settles when the network's libraries are loaded. */
  readonly network: Promise<void>;
  readonly budget: MemoryBudget;
  readonly deployments: LoadedDeployments;
  readonly inFlight: InFlight;
  readonly scheduler: Scheduler;
  readonly profiles: Profiles;
  readonly dispatcher: Dispatcher;
  readonly server: RunnerServer;
  port: number;
}

/** Returns the port at which requests to `url` arrive; '0': the URL does not say. */
function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80');
}
