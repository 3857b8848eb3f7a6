import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  flushPkt,
  type Packet,
  PktLineReader,
  pktDataBytesMax,
  pktLine,
  sideband,
} from '../../../src/control/git/pkt-line.ts';
import {
  type PushCommands,
  parseCommands,
  refusedRef,
  writePushCommands,
} from '../../../src/control/git/push-commands.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

/** Feeds `stream` cut at `cuts`, returns all packets. */
function readAll(stream: Buffer, cuts: readonly number[]): Packet[] {
  const reader = new PktLineReader();
  const packets: Packet[] = [];
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  places.slice(1).forEach((end, index) => {
    reader.push(stream.subarray(places[index], end));
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  });
  return packets;
}

describe('pkt-line', () => {
  it('reads back what it wrote, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.option(bytes)), fc.array(fc.nat(10_000)), (packets, cuts) => {
        const stream = Buffer.concat(packets.map((packet) => (packet === null ? flushPkt : pktLine(packet))));
        expect(readAll(stream, cuts)).toEqual(packets);
      }),
    );
  });

  it('leaves what follows the packets untouched', () => {
    fc.assert(
      fc.property(bytes, bytes, (packet, rest) => {
        const reader = new PktLineReader();
        reader.push(Buffer.concat([pktLine(packet), rest]));
        expect(reader.next()).toEqual(packet);
        expect(reader.rest()).toEqual(rest);
        expect(reader.rest()).toHaveLength(0);
      }),
    );
  });

  it('throws only our own error on arbitrary bytes, and always ends', () => {
    fc.assert(
      fc.property(fc.array(bytes), (chunks) => {
        const reader = new PktLineReader();
        try {
          for (const chunk of chunks) {
            reader.push(chunk);
            while (reader.next() !== undefined);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PlatformError);
        }
      }),
    );
  });

  it.each(['0001', '0003', 'fff1', 'ffff', '00g0', '-001', '+00a', ' 00a'])('refuses the length %s', (head) => {
    const reader = new PktLineReader();
    reader.push(Buffer.from(head));
    expect(() => reader.next()).toThrow(PlatformError);
  });

  it('cuts side-band data into packets of the allowed size', () => {
    const data = Buffer.alloc(3 * pktDataBytesMax, 7);
    const packets = readAll(sideband(2, data), []);
    expect(packets.every((packet) => packet !== null && packet[0] === 2)).toBe(true);
    expect(Buffer.concat(packets.map((packet) => packet!.subarray(1)))).toEqual(data);
  });
});

const oid = fc.stringMatching(/^[1-9a-f][0-9a-f]{39}$/);
const ref = fc
  .tuple(fc.constantFrom('heads', 'tags'), fc.stringMatching(/^[a-z][a-z0-9/_-]{0,20}[a-z0-9]$/))
  .map(([kind, name]) => `refs/${kind}/${name}`);
const updates = fc.uniqueArray(fc.record({ ref, old: fc.option(oid), new: oid }), {
  minLength: 1,
  maxLength: 20,
  selector: (update) => update.ref,
});

describe('push commands', () => {
  it('are read back as they are written for git, with atomic added', () => {
    fc.assert(
      fc.property(
        updates,
        fc.array(fc.constantFrom('report-status', 'side-band-64k', 'atomic')),
        (list, capabilities) => {
          const commands: PushCommands = {
            updates: list,
            capabilities,
            shallow: [],
            zeroOid: '0'.repeat(40),
          };
          const packets = readAll(writePushCommands(commands), []);
          expect(packets.at(-1)).toBeNull();
          const again = parseCommands(packets.slice(0, -1) as Buffer[]);
          expect(again.updates).toEqual(list);
          expect(again.capabilities).toEqual([...new Set([...capabilities, 'atomic'])]);
        },
      ),
    );
  });

  it('are refused, never misread, when they are arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), (lines) => {
        try {
          parseCommands(lines);
          expect.unreachable();
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad_request' });
        }
      }),
    );
  });

  it.each([
    ['two spaces', ['a'.repeat(40), '', 'b'.repeat(40), 'refs/heads/x'].join(' ')],
    ['a short object id', `${'a'.repeat(39)} ${'b'.repeat(40)} refs/heads/x`],
    ['neither old nor new', `${'0'.repeat(40)} ${'0'.repeat(40)} refs/heads/x`],
    ['a certificate', 'push-cert\0 atomic'],
  ])('are refused with %s', (_name, line) => {
    expect(() => parseCommands([Buffer.from(line)])).toThrow(PlatformError);
  });

  it('name a ref only once', () => {
    const line = Buffer.from(`${'0'.repeat(40)} ${'b'.repeat(40)} refs/heads/x`);
    expect(() => parseCommands([line, line])).toThrow(/twice/);
  });
});

describe('refs that can be pushed', () => {
  it.each(['refs/heads/main', 'refs/heads/feature/x-1', 'refs/tags/v1.0', 'refs/heads/größe'])('takes %s', (name) => {
    expect(refusedRef(name)).toBeNull();
  });

  it.each([
    'refs/heads/',
    'refs/heads/../x',
    'refs/heads/a..b',
    'refs/heads/.a',
    'refs/heads/a/.b',
    'refs/heads/a.lock',
    'refs/heads/a b',
    'refs/heads/a\u001b[31m',
    'refs/heads/a\u202eb',
    'refs/heads/a\u009b31m', // C1: CSI in one letter
    'refs/tags/a\u0085b',
    'refs/heads/-x',
    'refs/heads/a~1',
    'refs/heads/a/',
    'refs/heads/@',
    `refs/heads/${'x'.repeat(250)}`,
    'refs/remotes/x/y',
    'refs/headsx',
    'HEAD',
    '',
  ])('refuses %j', (name) => {
    expect(refusedRef(name)).not.toBeNull();
  });
});
