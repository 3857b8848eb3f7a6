/** Tells components from core modules without decoding them. */

/**
 * Version of the linker: part of the name of every Artifact that was made from a component. Raise it with every change
 * of what linking produces.
 */
export const LINKER_VERSION = 14;

/** Name of the functions that trap in place of an exception that a part of a component does not catch (guards.ts). */
export const guardName = 'trisiel:component/guard';

/** Returns whether `bytes` begin as a component: the preamble has layer 1, that of a core module has layer 0. */
export function isComponent(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 8 && bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d && bytes[6] === 1
  );
}
