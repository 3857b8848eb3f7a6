/**
 * A refusal in git's own words (gitprotocol-pack(5), "Report Status"): HTTP errors after the pack has been
 * sent show as "unexpected disconnect"; this shows as `remote: error: …` and `! [remote rejected]`.
 */
import { flushPkt, pktLine, sideband } from './pkt-line.ts';

export interface Refusal {
  /** Lines for the person who pushes, each ending with \n. */
  readonly text: string;
  /** One per ref of the push, in order; one short reason each. */
  readonly refs: readonly { readonly ref: string; readonly reason: string }[];
}

export function pushReport(refusal: Refusal, capabilities: readonly string[]): Buffer {
  const wantsReport = capabilities.some((name) => name === 'report-status' || name === 'report-status-v2');
  const report = wantsReport
    ? Buffer.concat([
        pktLine('unpack ok\n'),
        ...refusal.refs.map(({ ref, reason }) => pktLine(`ng ${ref} ${reason}\n`)),
        flushPkt,
      ])
    : Buffer.alloc(0);
  if (!capabilities.includes('side-band-64k')) return report;
  return Buffer.concat([sideband(2, refusal.text), sideband(1, report), flushPkt]);
}
