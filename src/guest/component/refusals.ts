/** Makes the errors that refuse a component, with the texts that a push shows. */
import { PlatformError } from '../../protocol/errors.ts';
import { ByteReader } from '../wasm/format/reader.ts';

/** Makes the error `module_invalid`: the component is malformed, or its parts do not fit together. */
export function invalidComponent(subject: string, problem: string): PlatformError {
  return new PlatformError('module_invalid', `${subject} is not a valid WebAssembly component`, { details: [problem] });
}

/** Makes the error `module_unsupported`: the component uses a feature that is specified but not supported. */
export function unsupportedComponent(subject: string, what: string, hints: readonly string[] = []): PlatformError {
  return new PlatformError('module_unsupported', `${subject} uses ${what}, which is not supported`, { hints });
}

/** Makes the error `module_too_large`: the component has more than `most` of what `what` names in the plural. */
export function tooLargeComponent(subject: string, what: string, most: number): PlatformError {
  return new PlatformError('module_too_large', `${subject} exceeds a limit`, {
    details: [`${what}: at most ${most.toLocaleString('en-US')}`],
  });
}

/** Reads the binary format of components; its errors call the file a component. */
export class ComponentReader extends ByteReader {
  override fail(problem: string, offset = this.pos): never {
    throw invalidComponent(this.subject, `${problem} @+${offset}`);
  }
}
