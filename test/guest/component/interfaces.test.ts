/** Every function of WASI 0.2.12 and 0.3.0 is provided with the type that its WIT gives it. */
import { describe, expect, it } from 'vitest';
import { decodeComponent } from '../../../src/guest/component/decode.ts';
import { evaluateComponent } from '../../../src/guest/component/evaluate.ts';
import { compatibleName, nearestName } from '../../../src/guest/component/interface-name.ts';
import { linkComponent } from '../../../src/guest/component/link.ts';
import { providedInterfaces } from '../../../src/guest/kernel/abi/components.ts';
import { fixture } from '../../support/run-guest.ts';

const options = { provided: providedInterfaces.interfaces, elements: providedInterfaces.elements };

/** Rows without a WIT in these releases: functions that are unstable there, and interfaces that are not of WASI 0.2. */
const beyond = /^wasi:(keyvalue|config|logging)\/|^trisiel:|timezone@/;
const unstable = new Set(['exit-with-code', 'network-error-code', '[method]response-outparam.send-informational']);

// The components import every function of the worlds wasi:cli/command and wasi:http/proxy (0.3: middleware).
describe.each([
  ['all-0.2', '0.2', 200],
  ['all-0.3', '0.3', 135],
])('%s', (name, version, functions) => {
  it('links: names and types of all imports are those of the rows', () => {
    expect(linkComponent(fixture(`component/${name}`), options).functions).toBe(functions);
  });

  it('imports every row of the version, so that no row has another name', () => {
    const graph = evaluateComponent(decodeComponent(fixture(`component/${name}`), name), name);
    const wanted = new Set<string>();
    for (const { args } of graph.instances)
      for (const item of args.values()) {
        if (item.kind === 'instance') continue;
        for (const one of item.exports.values()) {
          if (one.kind !== 'canon') continue;
          const { canon } = one;
          if (canon.op === 'lower' && canon.func.kind === 'host')
            wanted.add(`${compatibleName(canon.func.interfaceName)} ${canon.func.name}`);
          if (canon.op === 'resource.drop' && canon.resource.host !== null) {
            const { interfaceName, name: resource } = canon.resource.host;
            wanted.add(`${compatibleName(interfaceName)} [resource-drop]${resource}`);
          }
        }
      }
    const rows = providedInterfaces.interfaces.filter(
      (row) => row.interfaceName.endsWith(`@${version}`) && !beyond.test(row.interfaceName) && !unstable.has(row.name),
    );
    expect(rows.map((row) => `${row.interfaceName} ${row.name}`).filter((row) => !wanted.has(row))).toEqual([]);
  });
});

describe('nearestName', () => {
  const known = new Set(providedInterfaces.interfaces.map((one) => one.interfaceName));

  it.each([
    ['wasi:io/stream@0.2.0', 'wasi:io/streams@0.2'],
    ['wasi:http/types@0.4.0', 'wasi:http/types@0.3'],
    ['wasi:clocks/monotonic_clock@0.2.0', 'wasi:clocks/monotonic-clock@0.3'],
  ])('%s: %s', (name, nearest) => {
    expect(nearestName(name, known)).toBe(nearest);
  });

  it('finds none for a name that is like no other, or very long', () => {
    expect(nearestName('fastly:compute/http-req', known)).toBeNull();
    expect(nearestName(`wasi:${'x'.repeat(1_000_000)}`, known)).toBeNull();
  });
});
