/** What control and a vet child say to each other: one request, one answer, as plain data over the child's IPC channel. */
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { TreeFile } from '../../../protocol/messages.ts';
import type { StartUpReport, VettedModule } from '../../../protocol/module.ts';
import type { Policy } from '../../../protocol/nouns.ts';

export interface ToVet {
  /** The module as pushed. */
  readonly bytes: Uint8Array;
  /** What messages call the module. */
  readonly name: string;
  /** Where provided imports are documented, for the hint. */
  readonly docsUrl: string;
  /** Where the start-up is to run now; absent or null: no snapshot. */
  readonly snapshot?: SnapshotRequest | null;
}

/** What a start-up sees of its Deployment. */
export interface SnapshotRequest {
  /** The manifest's variables, not those that are set by command: an image is stored unsealed. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly TreeFile[];
  readonly policy: Policy | null;
  /** The manifest's memory limit. */
  readonly memoryPages: number;
}

export interface Vetted {
  readonly module: VettedModule;
  /** The rewritten module. */
  readonly bytes: Uint8Array;
  readonly rewriteMs: number;
  readonly compileMs: number;
  /** What the start-up did; null where no snapshot was wanted. */
  readonly startUp: StartUpReport | null;
}

export type FromVet =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'vetted' } & Vetted)
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: readonly string[];
      readonly hints: readonly string[];
    }
  | { readonly kind: 'failed'; readonly message: string };
