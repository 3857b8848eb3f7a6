/** One ABI, one page: what the pages say of system calls and schemes is what the code has. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callNames, importNames, pageOf, withCalls } from '../../docs/build.ts';
import { abis } from '../../src/guest/kernel/abi/all.ts';
import { networkProtocols, schemeNames } from '../../src/guest/kernel/net/target.ts';
import { localSchemes } from '../../src/guest/kernel/resources/all.ts';
import { abiNames } from '../../src/protocol/nouns.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const headings = (page: string, level: string): readonly string[] =>
  [...page.matchAll(new RegExp(`^${level} (.*)$`, 'gm'))].map(([, title = '']) => title);

describe.each(abiNames)('%s', (abi) => {
  const page = read(pageOf(abi));

  it('has a page, a folder of the kernel, guests and conformance tests of one name', () => {
    // Guests of the ABIs of components are components, whatever version they import.
    const guests = isOfComponents(abi) ? [] : [`fixtures/guests/${abi}`];
    const places = [`src/guest/kernel/abi/${abi}`, ...guests, `test/conformance/${abi}`];
    expect(places.filter((place) => !existsSync(join(root, place)))).toEqual([]);
    for (const place of places.slice(1)) expect(page).toContain(`\`${place}\``);
  });

  it('has every system call in its page, and no other', () => {
    expect(headings(page, '###')).toEqual(callNames(abi));
    expect(callNames(abi).length).toBeGreaterThan(0);
  });

  it('has the page that docs/build.ts writes', () => {
    // `node docs/build.ts` mends it.
    expect(withCalls(abi, page)).toBe(page);
  });

  it('names every import module in its page', () => {
    const listed = abis.filter(({ name, isOfLinker }) => name === abi && isOfLinker !== true);
    const modules = listed.flatMap((one) => one.modules);
    expect(modules.filter((module) => !page.includes(`\`${module}\``))).toEqual([]);
  });

  it('has a test that makes each of its calls', () => {
    const tests = [...globSync(`test/conformance/${abi}/*.ts`, { cwd: root }), ...sourcesOf(abi)].map(read).join('\n');
    const name = (call: string) => new RegExp(`(?<![a-z0-9])${call.replace(/[[\].-]/g, '\\$&')}(?![a-z0-9_-])`);
    expect(importNames(abi).filter((call) => !name(call).test(tests))).toEqual([]);
  });
});

it('every scheme has a section in the page of resources, and no other has', () => {
  const sections = headings(read('docs/schemes.md'), '##').filter((title) => title.endsWith(':'));
  const local = localSchemes.map(({ names }) => names[0] as string);
  const network = (Object.keys(networkProtocols) as (keyof typeof networkProtocols)[]).flatMap(schemeNames);
  expect(sections.sort()).toEqual([...local, ...network].map((name) => `${name}:`).sort());
});

it('every alias of a scheme stands in the page of resources', () => {
  const page = read('docs/schemes.md');
  const aliases = localSchemes.flatMap(({ names }) => names.slice(1));
  expect(aliases.filter((name) => !page.includes(`\`${name}:\``))).toEqual([]);
});

function isOfComponents(abi: string): boolean {
  return abis.some(({ name, syscalls }) => name === abi && syscalls.some(({ wit }) => wit !== undefined));
}

function sourcesOf(abi: string): readonly string[] {
  return globSync(`fixtures/guests/${abi}/*.{c,wat,h,as}`, { cwd: root });
}
