/** What control and a vet child say to each other: one request, one answer, as plain data over the child's IPC channel. */
import type { ErrorCode } from '../../../protocol/errors.ts';
import type { VettedModule } from '../../../protocol/module.ts';

export interface ToVet {
  /** The module as pushed. */
  readonly bytes: Uint8Array;
  /** What messages call the module. */
  readonly name: string;
  /** Where provided imports are documented, for the hint. */
  readonly docsUrl: string;
}

export interface Vetted {
  readonly module: VettedModule;
  /** The rewritten module. */
  readonly bytes: Uint8Array;
  readonly rewriteMs: number;
  readonly compileMs: number;
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
