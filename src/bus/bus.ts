/**
 * The connection to NATS, over which controls and nodes of a cluster hear of each other. It connects and reconnects by
 * itself, for ever. Nothing is queued while there is no connection: what is published then is dropped, what is asked
 * fails at once, so memory stays bounded, and senders know.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  AckPolicy,
  type ConsumerMessages,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream';
import { type ConnectionOptions, connect, type Msg, type NatsConnection, nanos } from '@nats-io/transport-node';
import { PlatformError } from '../protocol/errors.ts';
import { parseBusUrl } from './bus-url.ts';
import { encodeMessage } from './codec.ts';
import { busLimits, isNewEnough, oldestServer, reportStream, subjects } from './limits.ts';

export interface BusOptions {
  /** Address with credentials (TRISIEL_NATS). */
  readonly url: string;
  /** Name of this process in the lists of NATS. */
  readonly name: string;
  /** What this process is: NATS lets nodes hear only answers to nodes. */
  readonly role: 'control' | 'node';
  /** Is called when the connection is there for the first time, or again. */
  readonly onConnected?: () => void;
  /** Takes a failure, for the platform's own log. */
  readonly report: (message: string, error: unknown) => void;
}

/** A message as it came. `answer` sends bytes back to a sender that asks; it does nothing for others. */
export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  answer(kind: string, body: unknown): void;
}

export class Bus {
  readonly #options: BusOptions;
  readonly #subscriptions: { readonly subject: string; readonly listener: (message: BusMessage) => void }[] = [];
  #connection: NatsConnection | null = null;
  #streams: JetStreamClient | null = null;
  #isConnected = false;
  #isClosed = false;
  #refusal: unknown = null;
  readonly #waiting = new Set<() => void>();
  /** End what is being taken from the stream. */
  readonly #taking = new Set<() => void>();
  readonly #connecting: Promise<void>;

  /** Begins to connect. Throws `bad_request` when the address cannot be read. */
  constructor(options: BusOptions) {
    this.#options = options;
    const { servers, user, password, isTls } = parseBusUrl(options.url, 'TRISIEL_NATS');
    this.#connecting = this.#stayConnected({
      servers: [...servers],
      name: options.name,
      inboxPrefix: `_INBOX.${options.role}`,
      timeout: busLimits.connectMs,
      reconnectTimeWait: busLimits.reconnectMs,
      reconnectJitter: 100,
      maxReconnectAttempts: -1,
      pingInterval: busLimits.pingMs,
      maxPingOut: busLimits.pingsMax,
      ...(user === null ? {} : { user }),
      ...(password === null ? {} : { pass: password }),
      ...(isTls ? { tls: {} } : {}),
    });
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Greatest number of bytes of one message. */
  get messageBytes(): number {
    return this.#connection?.info?.max_payload ?? 1024 * 1024;
  }

  /**
   * Resolves when there is a connection. Throws `unavailable` after `ms` milliseconds, when NATS refuses it, and when
   * the server is too old.
   */
  async ready(ms: number): Promise<void> {
    const { servers } = parseBusUrl(this.#options.url, 'TRISIEL_NATS');
    const endMs = performance.now() + ms;
    while (!this.#isConnected) {
      const error = this.#refusal;
      const { what, hint, isFinal } = whyNotConnected(error);
      if (isFinal || performance.now() >= endMs)
        throw new PlatformError('unavailable', `NATS at ${servers.join(', ')} ${what}`, {
          hints: [hint],
          cause: error,
        });
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(busLimits.reconnectMs, Math.max(1, endMs - performance.now())));
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    const version = this.#connection?.info?.version ?? '';
    if (!isNewEnough(version))
      throw new PlatformError(
        'unavailable',
        `NATS at ${servers.join(', ')} is nats-server ${version}, which is too old`,
        {
          hints: [`install ${oldestServer.join('.')} or newer, as docs/cluster.md says`],
        },
      );
  }

  /** Sends a message to all that hear `subject`. Returns false when there is no connection; then nothing is sent. */
  publish(subject: string, kind: string, body: unknown): boolean {
    if (!this.#isConnected || this.#connection === null) return false;
    this.#connection.publish(subject, encodeMessage(kind, body));
    return true;
  }

  /** Calls `listener` for each message on `subject`, from now on and after every reconnection. */
  subscribe(subject: string, listener: (message: BusMessage) => void): void {
    this.#subscriptions.push({ subject, listener });
    if (this.#connection !== null) this.#listen(this.#connection, subject, listener);
  }

  /**
   * Asks the process that hears `subject` and returns its answer. Throws `unavailable` when there is no connection,
   * when nobody hears the subject, and when no answer comes within `ms` milliseconds.
   */
  async request(subject: string, kind: string, body: unknown, ms: number = busLimits.answerMs): Promise<Uint8Array> {
    const connection = this.#connected();
    try {
      return (await connection.request(subject, encodeMessage(kind, body), { timeout: ms })).data;
    } catch (cause) {
      throw new PlatformError('unavailable', 'no answer came over NATS', { cause });
    }
  }

  /**
   * Stores a message in the stream; resolves when it is stored. A message with an `id` that was stored in the last two
   * minutes is not stored again. Throws `unavailable`.
   */
  async store(subject: string, data: Uint8Array, id: string): Promise<void> {
    this.#connected();
    try {
      await this.#streams?.publish(subject, data, { msgID: id, timeout: busLimits.answerMs });
    } catch (cause) {
      throw new PlatformError('unavailable', 'NATS could not store a message', { cause });
    }
  }

  /**
   * Makes the stream of reports if it is missing, and sets the limits of one that an earlier version or fewer servers
   * have made; copies are added and never taken away. Throws what NATS answers when there is no stream afterwards.
   */
  async makeStream(): Promise<void> {
    const manager = await this.#manager();
    const config = {
      name: reportStream.name,
      subjects: [subjects.allReports],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      max_bytes: reportStream.bytes,
      // Three copies need three servers; all of them stand in the address.
      num_replicas: parseBusUrl(this.#options.url, 'TRISIEL_NATS').servers.length >= 3 ? 3 : 1,
    };
    const known = await manager.streams.info(reportStream.name).then(
      (info) => info.config,
      () => null,
    );
    if (known === null) return void (await manager.streams.add(config));
    const num_replicas = Math.max(known.num_replicas, config.num_replicas);
    if (known.max_bytes === config.max_bytes && known.num_replicas === num_replicas) return;
    await manager.streams
      .update(config.name, { max_bytes: config.max_bytes, num_replicas })
      // Too few servers live just now: the stream serves as it is.
      .catch((error: unknown) => this.#options.report('the limits of the stream of reports could not be set', error));
  }

  /**
   * Takes what node `nodeId` has stored in the stream, one message after the other, from the oldest on. Several
   * controls that take get each message once, in order: the next one is given when the one before is confirmed. Rejects
   * when the stream or its consumer is missing. The messages end when the connection does: another server may not know
   * the consumer, and then the client library would look for it without a word, for ever. `onSilent` is called, once a
   * second, while the stream does not even say that there is nothing: NATS has lost more than half of its servers.
   */
  async take(nodeId: string, onSilent: () => void): Promise<{ readonly messages: AsyncIterable<JsMsg>; stop(): void }> {
    const manager = await this.#manager();
    const name = `node-${nodeId}`;
    await manager.consumers.add(reportStream.name, {
      durable_name: name,
      filter_subject: subjects.reports(nodeId),
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(reportStream.ackMs),
      max_ack_pending: 1,
    });
    const consumer = await this.#streams!.consumers.get(reportStream.name, name); // set by #manager
    const messages: ConsumerMessages = await consumer.consume({
      max_messages: 1,
      expires: 5_000,
      idle_heartbeat: 1_000,
      abort_on_missing_resource: true,
    });
    void (async () => {
      for await (const { type } of messages.status()) if (type === 'heartbeats_missed') onSilent();
    })();
    const stop = () => {
      this.#taking.delete(stop);
      messages.stop();
    };
    this.#taking.add(stop);
    // The connection may have ended while the consumer was made.
    if (!this.#isConnected) stop();
    return { messages, stop };
  }

  /** Removes what is kept of a node that has been removed. */
  async drop(nodeId: string): Promise<void> {
    const manager = await this.#manager();
    await manager.consumers.delete(reportStream.name, `node-${nodeId}`);
    await manager.streams.purge(reportStream.name, { filter: subjects.reports(nodeId) });
  }

  /** Closes the connection after what was published has been sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isConnected = false;
    const connection = this.#connection;
    if (connection !== null && !connection.isClosed()) {
      await Promise.race([connection.flush().catch(() => {}), delay(1_000, undefined, { ref: false })]);
      await connection.close();
    }
    await this.#connecting;
  }

  #connected(): NatsConnection {
    if (this.#isConnected && this.#connection !== null) return this.#connection;
    throw new PlatformError('unavailable', 'NATS cannot be reached');
  }

  #manager(): Promise<JetStreamManager> {
    return jetstreamManager(this.#connected(), { timeout: busLimits.answerMs });
  }

  /** Connects until it succeeds, and again when NATS has ended the connection for good. */
  async #stayConnected(options: ConnectionOptions): Promise<void> {
    let hasReported = false;
    while (!this.#isClosed) {
      try {
        const connection = await connect(options);
        if (this.#isClosed) return void (await connection.close());
        hasReported = false;
        this.#connection = connection;
        this.#streams = jetstream(connection, { timeout: busLimits.answerMs });
        for (const { subject, listener } of this.#subscriptions) this.#listen(connection, subject, listener);
        this.#nowConnected(true);
        void this.#watch(connection);
        const error = await connection.closed();
        this.#nowConnected(false);
        if (error instanceof Error && !this.#isClosed) this.#options.report('NATS has ended the connection', error);
      } catch (error) {
        this.#refusal = error;
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
        if (!hasReported && !this.#isClosed) this.#options.report('NATS cannot be reached; trying again', error);
        hasReported = true;
      }
      if (!this.#isClosed) await delay(busLimits.reconnectMs, undefined, { ref: false });
    }
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') this.#nowConnected(false);
      else if (status.type === 'reconnect') this.#nowConnected(true);
      else if (status.type === 'error') this.#options.report('NATS reports an error', status.error);
    }
  }

  #nowConnected(isConnected: boolean): void {
    if (this.#isConnected === isConnected) return;
    this.#isConnected = isConnected;
    if (!isConnected) {
      for (const stop of this.#taking) stop();
      return;
    }
    this.#refusal = null;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    this.#options.onConnected?.();
  }

  #listen(connection: NatsConnection, subject: string, listener: (message: BusMessage) => void): void {
    connection.subscribe(subject, {
      callback: (error: Error | null, message: Msg) => {
        if (error !== null) return this.#options.report(`messages on ${subject} cannot be heard`, error);
        try {
          listener({
            subject: message.subject,
            data: message.data,
            answer: (kind, body) => void message.respond(encodeMessage(kind, body)),
          });
        } catch (cause) {
          this.#options.report(`a message on ${subject} was refused`, cause);
        }
      },
    });
  }
}

/** Says why there is no connection, what to check, and whether it is of no use to try again. */
function whyNotConnected(error: unknown): { readonly what: string; readonly hint: string; readonly isFinal: boolean } {
  const text = error instanceof Error ? `${error.name} ${error.message}` : '';
  if (/authorization|authentication/i.test(text))
    return {
      what: 'refuses the user or the password',
      hint: 'check user and password in TRISIEL_NATS',
      isFinal: true,
    };
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/CERT|SIGNATURE|ALTNAME/.test(code))
    return {
      what: `has a certificate that is not trusted (${code})`,
      hint: 'docs/cluster.md, "TLS for NATS", says how to trust an authority of your own',
      isFinal: false,
    };
  if (/does not support 'tls'/.test(text))
    return { what: 'has no TLS', hint: 'give it a certificate, or use nats:// in TRISIEL_NATS', isFinal: false };
  return { what: 'does not answer', hint: 'check that it runs, and host and port in TRISIEL_NATS', isFinal: false };
}
