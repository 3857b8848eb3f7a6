import { linkComponent } from '../../src/guest/component/link.ts';
import { PlatformError } from '../../src/protocol/errors.ts';

/** Returns code and details of the error with which a component is refused. Throws if it is not. */
export function refusal(component: Uint8Array): string {
  try {
    linkComponent(component, { provided: [], name: 'x.wasm' });
  } catch (error) {
    if (error instanceof PlatformError) return `${error.code}: ${error.details.join(' ')}`;
    throw error;
  }
  throw new Error('it was not refused');
}
