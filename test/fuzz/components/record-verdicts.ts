/**
 * Writes verdicts.json: what the reference tools say of the components of make-component.ts. After a change there, and
 * for later tools:
 *
 *     (cd fixtures/guests/component && npm install) && node test/fuzz/components/record-verdicts.ts
 *     # only shows what is judged otherwise here, for other seeds
 *     node test/fuzz/components/record-verdicts.ts 50000 90000
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytes, component, leb } from '../../support/component-builder.ts';
import { judge } from './judge.ts';
import { makeComponent } from './make-component.ts';

/** Number of seeds, from 0, whose verdicts are written. */
const seedCount = 2000;

const packages = join(import.meta.dirname, '../../../fixtures/guests/component/node_modules/@bytecodealliance');
const transpiler = join(packages, 'jco-transpile');
const shims = [join(transpiler, 'node_modules/@bytecodealliance'), packages];
for (const shim of shims) {
  // The tools are a component; the copy of its host that it uses is the nearest one.
  const found = await import(join(shim, 'preview2-shim/dist/nodejs/filesystem.js')).catch(() => null);
  if (found !== null) found._addPreopen('/', '/');
  if (found !== null) break;
}

interface Tools {
  componentWit(bytes: Uint8Array): string;
}
let loads = 0;
async function load(): Promise<Tools> {
  loads += 1;
  const loaded = await import(`${join(transpiler, 'vendor/wasm-tools.js')}?${loads}`);
  await loaded.$init;
  return loaded.tools;
}
let tools = await load();

/** Returns what is wrong with a component; null: nothing, undefined: the tools fail. */
async function problem(made: Uint8Array): Promise<string | null | undefined> {
  // In a component of its own, which has no interface that the tools would describe.
  const nested = bytes(component(), 4, leb(made.length), made);
  try {
    tools.componentWit(nested);
    return null;
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'payload' in error) return String(error.payload);
    tools = await load();
    return undefined;
  }
}

/**
 * Verdicts that are not compared: the tools refuse to say of an exported instance that one of its types is any
 * resource, which the specification allows.
 */
const leftOut = [/ascribed type[\s\S]*resource types are not the same/];

const [from = 0, to = seedCount] = process.argv.slice(2).map(Number);
const invalid: number[] = [];
const uncompared: number[] = [];
for (let seed = from; seed < to; seed += 1) {
  const made = makeComponent(seed);
  const verdict = await problem(made);
  if (verdict === undefined || leftOut.some((one) => one.test(verdict ?? ''))) uncompared.push(seed);
  else if (verdict !== null) invalid.push(seed);
  const ours = judge(made);
  const isSame = ours.verdict === 'other' || (ours.verdict === 'valid') === (verdict === null);
  if (!isSame && uncompared.at(-1) !== seed)
    process.stdout.write(`${seed}: ${ours.verdict} here (${ours.why}), tools: ${verdict ?? 'valid'}\n`);
}
if (process.argv.length === 2) {
  const { version } = JSON.parse(readFileSync(join(transpiler, 'package.json'), 'utf8'));
  const written = { tools: `wasm-tools of jco-transpile ${version}`, seeds: seedCount, uncompared, invalid };
  writeFileSync(join(import.meta.dirname, 'verdicts.json'), `${JSON.stringify(written)}\n`);
}
process.stdout.write(`${to - from} components, ${invalid.length} of them invalid, ${uncompared.length} not compared\n`);
