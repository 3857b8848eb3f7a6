import { afterEach, describe, expect, it } from 'vitest';
import { Errno } from '../../../../src/guest/kernel/errno.ts';
import {
  cleanUp,
  gate,
  open,
  opened,
  read,
  readAll,
  readBytes,
  staysPending,
  tcpServer,
  world,
  write,
} from '../../../support/net.ts';

afterEach(cleanUp);

describe('tcp:', () => {
  it('carries bytes both ways; flush waits until they are out', async () => {
    const at = await tcpServer((socket) => socket.pipe(socket));
    const resource = await opened(world([at]).process(), `tcp://${at}`);
    expect(await write(resource, 'ping')).toBe(4);
    expect(await resource.flush()).toBe(0);
    expect(await read(resource, 3)).toBe('pin');
    expect(await read(resource, 3)).toBe('g');
    expect(resource.readable?.()).toBeInstanceOf(Promise);
    expect(resource.writable?.()).toBeNull();
    expect(resource.close()).toBe(0);
  });

  it('stays open for writing after the peer’s FIN, and close sends ours', async () => {
    const received = gate();
    let text = '';
    const at = await tcpServer((socket) => {
      socket.end('bye');
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('end', received.open);
    }, true);
    const process = world([at]).process();
    const resource = await opened(process, `tcp://${at}/`);
    expect(await readAll(resource)).toEqual({ text: 'bye', errno: Errno.end });
    expect(await read(resource)).toBe(Errno.end);
    expect(resource.readable?.()).toBeNull();
    expect(await write(resource, 'still here')).toBe(10);
    resource.close();
    await received.opened;
    expect(text).toBe('still here');
    expect(process.lines).toEqual([]);
  });

  it('delivers what was written before a Process exits without flush', async () => {
    const received = gate();
    let size = 0;
    const at = await tcpServer((socket) => {
      // Unread bytes on the guest's side must not turn its FIN into a reset.
      socket.write('noise');
      socket.on('data', (data) => {
        size += data.length;
      });
      socket.on('end', received.open);
    });
    const { process, network } = world([at]);
    const guest = process();
    const resource = await opened(guest, `tcp://${at}`);
    await write(resource, new Uint8Array(1_000_000));
    guest.kill({ kind: 'exit', status: 0 });
    await guest.closeAll();
    await received.opened;
    expect(size).toBe(1_000_000);
    expect(network.connections).toBeLessThanOrEqual(1);
  });

  it('makes the guest wait when the peer does not read, and the peer when the guest does not', async () => {
    let sent = 0;
    const at = await tcpServer((socket) => {
      socket.pause();
      const more = () => {
        while (sent < 100_000_000) {
          sent += 65_536;
          if (!socket.write(new Uint8Array(65_536))) return void socket.once('drain', more);
        }
      };
      more();
    });
    const resource = await opened(world([at]).process(), `tcp://${at}`);
    let written = 0;
    for (;;) {
      const taken = resource.write(new Uint8Array(65_536));
      if (typeof taken === 'number') written += taken;
      else if (await staysPending(taken)) break;
    }
    expect(written).toBeLessThan(20_000_000);
    expect(sent).toBeLessThan(20_000_000);
    expect(resource.writable?.()).toBeInstanceOf(Promise);
    expect(await readBytes(resource)).toHaveLength(65_536);
  });

  it('ends at once with a killed Process, whatever it waits for', async () => {
    const left = gate();
    const at = await tcpServer((socket) => socket.on('close', left.open).resume());
    const { process, network } = world([at]);
    const guest = process();
    const resource = await opened(guest, `tcp://${at}`);
    const waiting = resource.read(new Uint8Array(1));
    guest.kill({ kind: 'aborted', message: 'client left' });
    await waiting;
    await left.opened;
    await guest.closeAll();
    expect(network.connections).toBe(0);
  });

  it('says why a connection broke, once, and a write after that is an error', async () => {
    const at = await tcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const process = world([at]).process();
    const resource = await opened(process, `tcp://${at}`);
    await write(resource, 'x');
    expect(await read(resource)).toBe(Errno.closed);
    expect(await read(resource)).toBe(Errno.closed);
    expect(await write(resource, 'x')).toBe(Errno.closed);
    expect(await resource.flush()).toBe(Errno.closed);
    expect(process.lines).toEqual([expect.stringMatching(/^tcp: the connection failed: .*ECONNRESET/)]);
  });

  it('is refused where nobody listens', async () => {
    const process = world(['127.0.0.1:1']).process();
    expect(await open(process, 'tcp://127.0.0.1:1')).toBe(Errno.refused);
    expect(process.lines[0]).toMatch(/ECONNREFUSED/);
  });

  it('is invalid without a port, with a path, a query, a fragment or user information', async () => {
    const process = world([]).process();
    for (const rest of [
      '',
      '//',
      '//x',
      '//x:0',
      '//x:99999',
      '//x:1/path',
      '//x:1?q',
      '//x:1#f',
      '//u@x:1',
      '//x:1:2',
      '//[::1',
      '//x:+1',
    ])
      expect([rest, await open(process, `tcp:${rest}`)]).toEqual([rest, Errno.invalid]);
  });

  it('is checked against the policy in the plain spelling too', async () => {
    const { process } = world([]);
    const guest = process({ allow: ['^tcp:'], disallow: ['^tcp://db\\.example:'] });
    await expect(open(guest, 'tcp://DB.Example:5432')).rejects.toThrow('policy');
    expect(guest.end).toMatchObject({ kind: 'policy', url: 'tcp://db.example:5432' });
  });
});
