/**
 * Lists the ABIs that components import. It is apart from modules.ts because it takes as long to load as the rest of a
 * vet child, which checks modules far more often.
 */
import { allElements } from '../canonical/async/elements.ts';
import type { Abi } from '../syscall.ts';
import { providedBy } from './provided.ts';
import { wasi2 } from './wasi2/wasi2.ts';
import { wasi3 } from './wasi3/wasi3.ts';

/**
 * Modules may not import these ABIs: their code cannot receive the lists that the functions return. When a guest has
 * returned, its streams of 0.3 end before the output of both versions is awaited.
 */
export const componentAbis: readonly Abi[] = [...wasi3, ...wasi2];

/**
 * Functions that components may import: `interfaces` by interface and type, `linked` as the core functions that the
 * linker makes of them, `elements` the names of the types of their streams and futures.
 */
export const providedInterfaces = {
  interfaces: componentAbis.flatMap(({ modules, syscalls }) =>
    modules.flatMap((interfaceName) =>
      syscalls.flatMap(({ name, wit }) => (wit === undefined ? [] : [{ interfaceName, name, type: wit }])),
    ),
  ),
  linked: providedBy(componentAbis),
  elements: new Set(allElements().map(({ name }) => name)),
};
