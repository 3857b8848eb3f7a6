/**
 * Prints the bytes of machine code that a module became: `node measure-child.ts FILE`. FILE: bytes and description of a
 * rewritten module, by v8.serialize. A process of its own, as the vet child is one: nothing else in it makes or frees
 * machine code meanwhile.
 */
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { measureModule } from '../../src/bin/measure-module.ts';
import { moduleAbis } from '../../src/guest/kernel/abi/modules.ts';
import type { RewrittenModule } from '../../src/protocol/module.ts';

const { bytes, module } = deserialize(readFileSync(process.argv[2] as string)) as {
  readonly bytes: Uint8Array;
  readonly module: RewrittenModule;
};
const { measures } = await measureModule(bytes, module, { name: 'dist/hello.wasm', abis: moduleAbis });
console.log(measures.codeBytes);
