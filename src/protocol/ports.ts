/**
 * What stations of control ask of each other, as types: each is written in the folder named beside
 * it and handed over in src/bin/serve.ts, so no station imports the other's code for it.
 */
import type { DeploymentSpec, DroppedLines } from './messages.ts';
import type { PendingLogLine } from './nouns.ts';

/** src/control/fleet: starts, feeds and watches runners. */
export interface Fleet {
  /**
   * Sends the Artifact's bytes and the spec to every runner and waits until each has compiled it.
   * Throws `vet_failed` when a runner cannot; nothing has been switched then.
   */
  prepare(spec: DeploymentSpec): Promise<void>;
  /** Lets every runner serve `label` with a prepared spec; resolves when all have switched. */
  release(label: string, specId: string): Promise<void>;
  /** `label` exists, nothing is deployed. */
  announce(label: string): void;
  /** `label` does not exist any more. */
  remove(label: string): void;
  /** Lets every runner free a prepared spec that no label is served with any more. */
  forget(specId: string): void;
}

/** What a fresh runner is told first; read from the database by src/control/deploy. */
export interface FleetState {
  readonly specs: readonly DeploymentSpec[];
  readonly releases: readonly { readonly label: string; readonly specId: string }[];
  readonly known: readonly string[];
}

/** src/control/logs: gives cursors, stores, publishes. */
export interface LogAppender {
  /** Returns when the lines are stored; order within a call is kept. */
  append(lines: readonly PendingLogLine[], dropped?: DroppedLines): Promise<void>;
}

/** src/control/deploy, as the API uses it. */
export interface Deployer {
  /** Makes Deployment `number` live again. Throws `not_found`, `conflict`. */
  rollback(options: { readonly handlerId: string; readonly number: number; readonly userId: string }): Promise<void>;
  /** Environment variables of the handler changed: serve the live Deployment with the new ones. */
  environmentChanged(handlerId: string): Promise<void>;
  handlerCreated(handlerId: string): Promise<void>;
  handlerDeleted(handlerId: string): Promise<void>;
  handlerRestored(handlerId: string): Promise<void>;
}
