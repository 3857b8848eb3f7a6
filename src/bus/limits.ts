/** Times and sizes of the bus, and of what goes over it. */

export const busLimits = {
  /** Milliseconds for which a control that starts waits for the bus. */
  startMs: 10_000,
  /** Milliseconds between two attempts to connect. */
  reconnectMs: 250,
  /** Milliseconds for one attempt to connect. */
  connectMs: 5_000,
  /** Milliseconds between two questions whether the connection lives. */
  pingMs: 1_250,
  /** Questions without an answer that end the connection: it ends pingMs after the last of them. */
  pingsMax: 2,
  /** Milliseconds for the answer to a request, and for the confirmation that a stream has stored a message. */
  answerMs: 4_000,
  /** Milliseconds between two messages by which a control or a node says that it lives. */
  aliveMs: 1_000,
  /** Milliseconds without such a message after which a node or control counts as dead. */
  leaseMs: 3_000,
} as const;

/** Oldest nats-server with all that is used here, `[major, minor]`. */
export const oldestServer = [2, 11] as const;

/** Returns whether a version of nats-server, `2.11.3`, has all that is used here; one that cannot be read has. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return true;
  const [oldestMajor, oldestMinor] = oldestServer;
  return Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
}

/**
 * Subjects of messages. All nodes have one user of NATS, so NATS keeps a node from what controls do, and not from
 * saying what another node says: on the bus, nodes trust each other (docs/cluster.md).
 */
export const subjects = {
  /** A control says that it lives. */
  control: (controlId: string): string => `trisiel.control.${controlId}`,
  controls: 'trisiel.control.*',
  /** A node says that it lives, and what it has applied. */
  alive: (nodeId: string): string => `trisiel.alive.${nodeId}`,
  allAlive: 'trisiel.alive.*',
  /** Requests and commands to one node. */
  node: (nodeId: string): string => `trisiel.node.${nodeId}`,
  /** Commands to all nodes, and wakes for nodes and controls. */
  all: 'trisiel.all',
  /** Changes of the list of invocations that run in a runner. */
  running: (nodeId: string): string => `trisiel.running.${nodeId}`,
  allRunning: 'trisiel.running.*',
  /** Log lines and usage of a node, kept in the stream until a control has stored them. */
  reports: (nodeId: string): string => `trisiel.reports.${nodeId}`,
  allReports: 'trisiel.reports.*',
} as const;

export const reportStream = {
  name: 'trisiel-reports',
  /** Bytes kept while no control takes them; then nodes keep what fits into their runners, and count the rest. */
  bytes: 1024 * 1024 * 1024,
  /** Milliseconds after which a message that a control has taken and not confirmed is given to another one. */
  ackMs: 10_000,
} as const;
