/** Wide instances that are dropped are collected before they pile up; others cost no collection. */
import { describe, expect, it } from 'vitest';
import { InstanceGarbage } from '../../src/runner/instance-garbage.ts';
import { instanceLimits } from '../../src/runner/limits.ts';
import { wat } from '../support/wasm.ts';

const withExports = (count: number) =>
  new WebAssembly.Module(
    wat(
      `(module (func $f) ${Array.from({ length: count }, (_, index) => `(export "e${index}" (func $f))`).join(' ')})`,
    ),
  );

function collectionsAfter(module: WebAssembly.Module, instances: number): number {
  let collections = 0;
  const garbage = new InstanceGarbage(() => {
    collections += 1;
  });
  for (let instance = 0; instance < instances; instance += 1) garbage.made(module);
  return collections;
}

describe('garbage of instances', () => {
  it('is collected each time that wide ones have so many exports together', () => {
    const instances = instanceLimits.collectExports / 1_000;
    expect(collectionsAfter(withExports(1_000), instances - 1)).toBe(0);
    expect(collectionsAfter(withExports(1_000), instances)).toBe(1);
    expect(collectionsAfter(withExports(1_000), instances * 3)).toBe(3);
  });

  it('is left to the engine where they are not wide', () => {
    expect(collectionsAfter(withExports(instanceLimits.wideExports - 1), 100_000)).toBe(0);
  });
});
