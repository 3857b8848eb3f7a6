/** What systemd hears from the platform: real datagrams of the real systemd-notify, on a socket of the test. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { ServiceManager } from '../../src/bin/service-manager.ts';
import { removeTemporaryFolders, startPlatform, temporaryFolder } from '../support/e2e.ts';

afterAll(removeTemporaryFolders);

const missing = ['systemd-notify', 'perl'].filter((program) => spawnSync(program, ['--version']).status !== 0);
if (missing.length > 0) console.log(`skipped: ${missing.join(', ')} not installed (apt-get install systemd perl)`);

/** Prints each datagram of a socket as one line, its lines joined with spaces. */
const listener = `
  use IO::Socket::UNIX; $| = 1;
  my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die $!;
  print "listening\\n";
  while (defined $socket->recv(my $text, 4096)) { $text =~ s/\\n/ /g; print "$text\\n"; }`;

class SystemdSocket {
  readonly path: string;
  readonly #child: ReturnType<typeof spawn>;
  readonly #lines: string[] = [];
  #wake = (): void => {};

  private constructor(path: string, child: ReturnType<typeof spawn>) {
    this.path = path;
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
  }

  static async open(): Promise<SystemdSocket> {
    const path = join(await temporaryFolder(), 'notify');
    const socket = new SystemdSocket(
      path,
      spawn('perl', ['-e', listener, path], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    await socket.hears('listening');
    return socket;
  }

  /** Resolves once `count` lines with `text` have come. */
  async hears(text: string, count = 1): Promise<void> {
    while (this.#lines.filter((line) => line.includes(text)).length < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  async close(): Promise<void> {
    this.#child.kill();
    await once(this.#child, 'exit');
  }
}

describe.skipIf(missing.length > 0)('systemd', () => {
  it('hears that the platform is ready, lives and stops', async () => {
    const socket = await SystemdSocket.open();
    const platform = await startPlatform({
      ...{ NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '200000', TRISIEL_RUNNERS: '1' },
    });
    await socket.hears('READY=1');
    await socket.hears('WATCHDOG=1', 3);
    const stopped = platform.stop();
    await socket.hears('STOPPING=1');
    expect(await stopped).toBe(0);
    await socket.close();
  });
});

it('without systemd nobody is told', () => {
  const onError = () => {};
  expect(ServiceManager.find({ env: {}, onError })).toBeNull();
  expect(ServiceManager.find({ env: { WATCHDOG_USEC: '1000' }, onError })).toBeNull();
});

it('a message that cannot be sent is told once, and ends nothing', async () => {
  const errors: unknown[] = [];
  const told = Promise.withResolvers<void>();
  const manager = ServiceManager.find({
    env: { NOTIFY_SOCKET: '/nonexistent/socket', PATH: '/nonexistent' },
    onError: (error) => {
      errors.push(error);
      told.resolve();
    },
  })!;
  manager.ready();
  manager.stopping();
  await told.promise;
  expect(errors).toHaveLength(1);
});
