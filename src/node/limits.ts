/** Times and sizes of a node. */
import { MIB } from '../protocol/limits.ts';

export const nodeLimits = {
  /** Milliseconds for which a node that starts looks for a control, before it goes on with what it has kept. */
  joinMs: 10_000,
  /** Milliseconds between two attempts to join, and between two questions for Releases without a bus. */
  retryMs: 500,
  /** Milliseconds between two looks for nodes that have gone. */
  peersMs: 200,
  /** Milliseconds without a message of a node after which its port is tried: it has missed one, and a half more. */
  suspectMs: 1_500,
  /** Milliseconds for a connection to the port of a node that is silent. */
  tryMs: 500,
  /** Milliseconds for which a node that starts listens for others before it decides what it holds. */
  listenMs: 1_500,
  /** Seconds between two questions for Releases while the bus works, in case that a wake was lost. */
  askSeconds: 5,
  /** Milliseconds for a connection to a control. */
  connectMs: 1_000,
  /**
   * Milliseconds for the answer of one control to a request of a runner; then another control is asked, if that is
   * safe.
   */
  answerMs: 5_000,
  /** Milliseconds for a request in all. */
  requestMs: 10_000,
  /** Milliseconds for an Artifact of any size. */
  blobMs: 60_000,
  /** Milliseconds for which a control that did not answer is asked last. */
  restMs: 5_000,
  /**
   * Milliseconds for which a blob stays on the disk after it was last used, also when no Release needs it: a push may.
   */
  blobKeptMs: 15 * 60_000,
  /** Connections to one control. */
  connections: 64,
  /** Requests of runners that wait for a control; further ones are refused at once. */
  requests: 2_000,
  /** Milliseconds without an answer of a control after which answers are marked as stale. */
  staleMs: 3_000,
  /**
   * Milliseconds without contact to the bus and to controls after which a node stops: nobody could change or stop its
   * functions.
   */
  cutOffMs: 60 * 60_000,
  /** Bytes of log lines and usage in one message; a single batch may take more. */
  reportBytes: 700 * 1024,
  /** Milliseconds between two messages with reports. */
  reportMs: 50,
  /** Items of reports that wait. Runners send no more than a few batches before they get an answer. */
  reports: 1_000,
  /** Milliseconds for which a node that ends waits until its last reports are stored. */
  handOverMs: 5_000,
  /** Bytes of one answer of a control with Releases. */
  releasesBytes: 256 * MIB,
} as const;
