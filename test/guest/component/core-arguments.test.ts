import { expect, it } from 'vitest';
import { componentCaps } from '../../../src/guest/component/caps.ts';
import { checkArguments } from '../../../src/guest/component/core-arguments.ts';
import { CoreModules } from '../../../src/guest/component/core-modules.ts';
import type { CoreInstance } from '../../../src/guest/component/graph.ts';
import { wat } from '../../support/wasm.ts';

it('compares a bounded number of imports, however often a module is instantiated', () => {
  const source = wat('(module (global (export "g") i32 (i32.const 1)))');
  const imports = 1_000;
  const names = Array.from({ length: imports }, () => '(import "a" "g" (global i32))');
  const module = wat(`(module ${names.join('')})`);
  const given: CoreInstance = { index: 0, component: 0, module: source, declared: null, args: new Map() };
  const instances = Array.from(
    { length: componentCaps.coreImports / imports },
    (_, index): CoreInstance => ({
      ...{ index: index + 1, component: 0, module, declared: null },
      args: new Map([['a', { kind: 'instance', instance: given }]]),
    }),
  );
  const modules = new CoreModules('x.wasm');
  checkArguments(instances, modules, 'x.wasm');
  expect(() => checkArguments([...instances, instances[0] as CoreInstance], modules, 'x.wasm')).toThrow(
    expect.objectContaining({ code: 'module_too_large' }),
  );
});
