/** Says what the linker makes of a component. */
import { linkComponent } from '../../../src/guest/component/link.ts';
import { PlatformError } from '../../../src/protocol/errors.ts';

export interface Judgement {
  /** `other`: it uses what is refused by name, or exceeds a limit. */
  readonly verdict: 'valid' | 'invalid' | 'other';
  /** Code and details of the error. */
  readonly why: string;
}

/** Returns the verdict on a component whose imports nobody provides. Throws what is no refusal. */
export function judge(bytes: Uint8Array): Judgement {
  try {
    linkComponent(bytes, { provided: [] });
    return { verdict: 'valid', why: '' };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const why = `${error.code}: ${error.details.join(' ')}`;
    // A component without an entry point is refused for that when nothing else is wrong with it.
    if (error.code === 'entry_missing' || error.code === 'imports_unknown') return { verdict: 'valid', why };
    return { verdict: error.code === 'module_invalid' ? 'invalid' : 'other', why };
  }
}
