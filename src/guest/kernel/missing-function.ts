/** Says why a module cannot be bound here: another version of the platform has checked it, or linked its component. */
import type { RewrittenModule } from '../../protocol/module.ts';
import { LINKER_VERSION } from '../component/recognise.ts';
import { type Abi, findSyscall } from './syscall.ts';

/** Returns why the imports of a module cannot be bound to `abis`; null: they can be. */
export function missingFunction(abis: readonly Abi[], { plan, component }: RewrittenModule): Error | null {
  const missing = plan.imports.find((declared) => findSyscall(abis, declared) === undefined);
  if (missing === undefined) return null;
  const linker = component?.linkerVersion ?? LINKER_VERSION;
  const by = linker === LINKER_VERSION ? 'another version has checked it' : otherLinker(linker);
  return new Error(
    `it calls ${missing.module} ${missing.name}, which this version of the platform does not have: ${by}`,
  );
}

/** Says what linker another version has linked a component with, and what happens next. */
function otherLinker(version: number): string {
  const [age, then] =
    version < LINKER_VERSION
      ? ['an earlier', 'it is linked anew once all nodes have this version']
      : ['a later', 'this node has to be upgraded'];
  return `${age} version has linked its component (linker ${version}, here ${LINKER_VERSION}); ${then}`;
}
