/** Makes composed components out of others. */
import { decodeComponent } from '../../src/guest/component/decode.ts';
import { ByteReader } from '../../src/guest/wasm/format/reader.ts';
import {
  aliasExport,
  aliases,
  component,
  coreInstances,
  coreModule,
  exportAs,
  exports,
  instances,
  instantiateCore,
  leb,
  nested,
  vector,
} from './component-builder.ts';
import { assemble } from './run-guest.ts';

/**
 * Returns a component with two parts: the component `bytes`, which exports the interface `exported`, and a part with a
 * larger memory, which therefore lies before that of `bytes`.
 */
export function besideAnother(bytes: Uint8Array, exported: string): Uint8Array {
  const names = decodeComponent(bytes, 'component').flatMap((one) => (one.kind === 'import' ? [one.name] : []));
  const args = names.map((name, index) => [name, 5, ...leb(index)]);
  const other = component(
    coreModule(assemble('(module (memory 64) (data (i32.const 0) "other"))')),
    coreInstances(instantiateCore(0)),
  );
  return component(
    beforeModules(bytes),
    nested(bytes),
    nested(other),
    instances([0, 1, vector([])], [0, 0, vector(args)]),
    aliases(aliasExport(names.length + 1, exported, 5)),
    exports(exportAs(exported, 5, names.length + 2)),
  );
}

/** Returns the sections before the first core module: the types and imports of the component. */
function beforeModules(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes, 'component');
  reader.pos = 8;
  for (;;) {
    const start = reader.pos;
    if (reader.u8('section id') === 1) return bytes.slice(8, start);
    const size = reader.u32('section size');
    reader.pos += size;
  }
}
