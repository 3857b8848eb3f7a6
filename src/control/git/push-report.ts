/**
 * git's report on a push (gitprotocol-pack(5), "Report Status"): what was unpacked, and `ok` or `ng` for each
 * ref. A refusal in this form shows as `remote: error: …` and `! [remote rejected]`; an HTTP error after the
 * client has begun to send its pack shows as "Everything up-to-date".
 */
import { flushPkt, PktLineReader, pktLine, sideband } from './pkt-line.ts';

/**
 * Outcome of one ref of a push, with its name as the client wrote it. `reason`: why it has not moved; null: it has
 * moved.
 */
export interface RefOutcome {
  readonly ref: string | Buffer;
  readonly refused: string | null;
}

/** Writes a report that unpacking went well. `refs` stand in the order of the push. */
export function writeReport(refs: readonly RefOutcome[]): Buffer {
  const lines = refs.map(({ ref, refused }) => {
    const name = Buffer.from(ref);
    return pktLine(
      refused === null
        ? Buffer.concat([Buffer.from('ok '), name, Buffer.from('\n')])
        : Buffer.concat([Buffer.from('ng '), name, Buffer.from(` ${refused}\n`)]),
    );
  });
  return Buffer.concat([pktLine('unpack ok\n'), ...lines, flushPkt]);
}

/**
 * Returns the body of an answer: `text` for the person who pushes (lines that end with \n), then `report`. Leaves out
 * the parts that the client's `capabilities` do not allow.
 */
export function answerBody(text: string, report: Buffer, capabilities: readonly string[]): Buffer {
  const wanted = wantsReport(capabilities) ? report : Buffer.alloc(0);
  if (!capabilities.includes('side-band-64k')) return wanted;
  return Buffer.concat([sideband(2, text), sideband(1, wanted), flushPkt]);
}

function wantsReport(capabilities: readonly string[]): boolean {
  return capabilities.includes('report-status') || capabilities.includes('report-status-v2');
}

/** Returns what a whole report says of unpacking (`ok`, or the reason it failed); null for a report that is cut off. */
export function unpackOutcome(report: Buffer): string | null {
  const reader = new PktLineReader();
  reader.push(report);
  let outcome: string | null = null;
  try {
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
      if (packet === null) return outcome;
      outcome ??= /^unpack (.*?)\n?$/s.exec(packet.toString('utf8'))?.[1] ?? null;
    }
  } catch {
    // The bytes are no report; they count as none.
  }
  return null;
}
