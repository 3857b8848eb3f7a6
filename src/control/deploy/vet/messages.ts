/** Messages between control and a vet child: one request, one answer, plain data over the child's IPC channel. */
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { Limits } from '../../../protocol/limits.ts';
import type { TreeFile } from '../../../protocol/messages.ts';
import type { StartUpReport, VettedModule } from '../../../protocol/module.ts';
import type { Policy } from '../../../protocol/nouns.ts';

export interface ToVet {
  /** Bytes of the module as pushed. */
  readonly bytes: Uint8Array;
  /** Name of the module in messages. */
  readonly name: string;
  /** URL of the page that documents provided imports, for hints. */
  readonly docsUrl: string;
  /** Inputs of the start-up to run now; absent or null: no snapshot. */
  readonly snapshot?: SnapshotRequest | null;
  /** Limits of the module's calls, by which its start is tried; absent: those of a manifest that sets none. */
  readonly limits?: Pick<Limits, 'gas' | 'memoryPages'>;
  /** Source map that the module names and that lies in the tree; absent or null: none. */
  readonly sourceMap?: Uint8Array | null;
}

/** Inputs of a start-up, from its Deployment. */
export interface SnapshotRequest {
  /** Variables of the manifest, without those set by command: an image is stored unsealed. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly TreeFile[];
  readonly policy: Policy | null;
  /** Memory limit of the manifest. */
  readonly memoryPages: number;
}

export interface Vetted {
  readonly module: VettedModule;
  /** Bytes of the rewritten module. */
  readonly bytes: Uint8Array;
  readonly rewriteMs: number;
  readonly compileMs: number;
  /** Effects of the start-up; null when no snapshot was asked for. */
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
