/**
 * Tells systemd that the platform or a node is ready, stops, and is alive (sd_notify(3)). Node.js cannot write to the
 * socket of datagrams that systemd listens on, so each message is sent by the program systemd-notify.
 */
import { execFile } from 'node:child_process';

export interface ServiceManagerOptions {
  /** Environment that systemd has given to this process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Is told, once, that messages cannot be sent. */
  readonly onError: (error: unknown) => void;
}

/** Milliseconds that one message may take. */
const sendMs = 10_000;

export class ServiceManager {
  readonly #env: Readonly<Record<string, string>>;
  readonly #onError: (error: unknown) => void;
  /** Milliseconds between two signs of life; null: systemd waits for none. */
  readonly #watchdogMs: number | null;
  #timer: NodeJS.Timeout | null = null;
  #hasFailed = false;

  private constructor(socket: string, watchdogMs: number | null, options: ServiceManagerOptions) {
    this.#env = { NOTIFY_SOCKET: socket, PATH: options.env.PATH ?? '/usr/bin:/bin' };
    this.#onError = options.onError;
    this.#watchdogMs = watchdogMs;
  }

  /** Returns the service manager that has started this process; null: none wants messages. */
  static find(options: ServiceManagerOptions): ServiceManager | null {
    const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: microseconds = '' } = options.env;
    if (socket === '') return null;
    // Two signs of life in the time that systemd waits for one (sd_watchdog_enabled(3)).
    const watchdogMs = /^[1-9]\d{0,15}$/.test(microseconds)
      ? Math.max(1, Math.floor(Number(microseconds) / 2_000))
      : null;
    return new ServiceManager(socket, watchdogMs, options);
  }

  /** Tells that all ports serve, and gives signs of life from now on, as long as the event loop turns. */
  ready(): void {
    this.#send('READY=1', 'STATUS=serving');
    if (this.#watchdogMs === null || this.#timer !== null) return;
    this.#timer = setInterval(() => this.#send('WATCHDOG=1'), this.#watchdogMs);
    this.#timer.unref();
  }

  /** Tells that the process ends by itself. Signs of life go on until then. */
  stopping(): void {
    this.#send('STOPPING=1', 'STATUS=finishing what is in flight');
  }

  #send(...assignments: readonly string[]): void {
    execFile('systemd-notify', [...assignments], { env: this.#env, timeout: sendMs }, (error) => {
      if (error === null || this.#hasFailed) return;
      this.#hasFailed = true;
      this.#onError(error);
    });
  }
}
