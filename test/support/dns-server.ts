/** A DNS server on a UDP port of this machine, with records that tests write. It knows TXT and CNAME (RFC 1035, 4). */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const types = { CNAME: 5, TXT: 16 } as const;

export class DnsServer {
  readonly txts = new Map<string, string>();
  readonly cnames = new Map<string, string>();
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (query, { port, address }) => {
      const answer = this.#answer(query);
      if (answer !== null) socket.send(answer, port, address);
    });
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new DnsServer(socket);
  }

  /** Address and port, as TRISIEL_DNS takes them. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(query: Buffer): Buffer | null {
    if (query.length < 12) return null;
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const end = at + 5;
    const type = query.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    const data = this.#data(name, type);
    const isKnown = this.txts.has(name) || this.cnames.has(name);
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    // Response, recursion desired and available; NXDOMAIN for a name without any record.
    head.writeUInt16BE(0x8180 | (isKnown ? 0 : 3), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(data === null ? 0 : 1, 6);
    const question = query.subarray(12, end);
    if (data === null) return Buffer.concat([head, question]);
    const record = Buffer.alloc(12);
    // A pointer to the question's name, type, class IN, no time to live, length.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([head, question, record, data]);
  }

  #data(name: string, type: number): Buffer | null {
    const text = type === types.TXT ? this.txts.get(name) : undefined;
    if (text !== undefined) return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
    const target = type === types.CNAME ? this.cnames.get(name) : undefined;
    if (target === undefined) return null;
    const labels = target.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
    return Buffer.concat([...labels, Buffer.from([0])]);
  }
}
