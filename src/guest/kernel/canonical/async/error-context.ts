/**
 * Error contexts: what a part of the guest says about a failure, with a message for people.
 *
 * Spec: component-model, CanonicalABI.md "Error Context State".
 */
import type { ResourceOf } from '../handles.ts';

/** Most characters that an error context keeps of its message. */
const messageCharsMax = 1024;

export class ErrorContext {
  readonly message: string;

  constructor(message: string) {
    // A slice would keep the whole message in V8's heap.
    this.message = Buffer.from(message.slice(0, messageCharsMax), 'utf16le').toString('utf16le');
  }
}

/** Handles of error contexts. Several may stand for one. */
export const errorContextResource: ResourceOf<ErrorContext> = {
  kind: 'resource',
  id: 'trisiel:component/async#error-context',
};
