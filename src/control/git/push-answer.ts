/**
 * Sends git's answer to a push to the client. Text for the person who pushes is sent at once; the report is held back
 * until what the push brought has been released, so that a report ends every answer, with a reason above it when git
 * gives none or was killed.
 */
import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { KIB } from '../../protocol/limits.ts';
import { startResult } from './exchange.ts';
import { PktLineReader, pktLine, sideband } from './pkt-line.ts';
import { answerBody } from './push-report.ts';

/** Characters kept of git's last text, which contains the reason of a failure. */
const wordsMax = 16 * KIB;

export class PushAnswer extends Writable {
  readonly #res: ServerResponse;
  readonly #capabilities: readonly string[];
  readonly #hasSideband: boolean;
  readonly #reader = new PktLineReader();
  readonly #report: Buffer[] = [];
  #words = '';
  #isDamaged = false;
  #isHurried = false;
  #goOn: (() => void) | null = null;

  constructor(res: ServerResponse, capabilities: readonly string[]) {
    super();
    this.#res = res;
    this.#capabilities = capabilities;
    this.#hasSideband = capabilities.includes('side-band-64k');
    startResult(res, 'receive-pack');
    this.on('error', () => {});
  }

  /** Report that git has written so far. */
  get report(): Buffer {
    return Buffer.concat(this.#report);
  }

  /** Last text that git has written for the person who pushes. */
  get words(): string {
    return this.#words;
  }

  /** Reads the rest of git's output without waiting for the client; it is little, since git has ended. */
  hurry(): void {
    this.#isHurried = true;
    this.#goOn?.();
  }

  /** Sends lines for the person who pushes, after those of git, which has ended. */
  print(text: string): void {
    if (this.#hasSideband && !this.#res.destroyed) this.#res.write(sideband(2, text));
  }

  /** Ends the answer with `text` and `report`. */
  finish(text: string, report: Buffer): void {
    this.#res.end(answerBody(text, report, this.#capabilities));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const words = this.#take(chunk);
    if (words.length === 0 || this.#res.destroyed || this.#res.write(words) || this.#isHurried) {
      done();
      return;
    }
    this.#goOn = () => {
      this.#goOn = null;
      this.#res.off('drain', goOn);
      this.#res.off('close', goOn);
      done();
    };
    const goOn = this.#goOn;
    this.#res.once('drain', goOn);
    this.#res.once('close', goOn);
  }

  /** Returns the packets of `chunk` that are passed on. */
  #take(chunk: Buffer): Buffer {
    if (this.#isDamaged) return Buffer.alloc(0);
    const words: Buffer[] = [];
    try {
      this.#reader.push(chunk);
      for (let packet = this.#reader.next(); packet !== undefined; packet = this.#reader.next()) {
        if (!this.#hasSideband) this.#report.push(packet === null ? Buffer.from('0000') : pktLine(packet));
        else if (packet !== null && packet[0] === 1 && packet.length > 1) this.#report.push(packet.subarray(1));
        else if (packet !== null) words.push(this.#heard(packet));
      }
    } catch {
      this.#isDamaged = true; // git was killed in the middle of a packet.
    }
    return Buffer.concat(words);
  }

  #heard(packet: Buffer): Buffer {
    if (packet[0] !== 1) this.#words = `${this.#words}${packet.toString('utf8', 1)}`.slice(-wordsMax);
    return pktLine(packet);
  }
}
