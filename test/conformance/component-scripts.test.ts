/**
 * Scripts of component tests (.wast) that fixtures/guests/component/scripts.mjs has compiled: one of our own, or those
 * of the file that COMPONENT_SCRIPTS names, such as the suites of the component-model repository and of Wasmtime.
 */
import { readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { vetProgram } from '../../src/guest/component/vet-program.ts';
import { providedInterfaces } from '../../src/guest/kernel/abi/components.ts';
import { providedFunctions } from '../../src/guest/kernel/abi/modules.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import { runVetted } from '../support/run-guest.ts';

interface Step {
  readonly line: number;
  readonly kind: 'valid' | 'invalid' | 'returns' | 'traps' | 'not run';
  /** The component, deflated, in Base64. */
  readonly wasm?: string;
  /** Programs, of which the first one that is valid is run. */
  readonly wasms?: readonly string[];
  readonly error?: string;
}

interface Script {
  readonly name: string;
  readonly steps: readonly Step[];
}

const own = new URL('../../fixtures/guests/component/scripts/steps.json', import.meta.url);
const scripts: readonly Script[] = JSON.parse(readFileSync(process.env.COMPONENT_SCRIPTS ?? own, 'utf8'));

/**
 * Codes of refusals that say nothing about validity: the component is no program, or wants something else of its host.
 */
const noProgram = new Set(['entry_missing', 'imports_unknown']);

/** Returns the vetted program, or why it is refused; null: it is valid, but no program. */
function vetted(wasm: string): ReturnType<typeof vetProgram> | PlatformError | null {
  try {
    return vetProgram(inflateRawSync(Buffer.from(wasm, 'base64')), {
      provided: providedFunctions,
      ...providedInterfaces,
    });
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return noProgram.has(error.code) ? null : error;
  }
}

describe.each(scripts.map(({ name, steps }) => [name, steps] as const))('%s', (_name, steps) => {
  const runnable = steps.filter(({ kind }) => kind !== 'not run');
  if (runnable.length < steps.length) console.log(`${steps.length - runnable.length} steps are not run`);

  it.each(runnable.map((step) => [step.line, step.kind, step] as const))('line %s: %s', async (_line, kind, step) => {
    if (step.wasm !== undefined) {
      const refusal = vetted(step.wasm);
      if (kind === 'invalid') expect(refusal).toBeInstanceOf(PlatformError);
      else if (refusal instanceof PlatformError) throw refusal;
      return;
    }
    const programs = (step.wasms ?? []).map(vetted);
    const program = programs.find((one) => one !== null && 'module' in one);
    if (program === undefined || program === null || !('module' in program)) throw programs[0];
    const { end } = await runVetted(program, {});
    expect(end).toMatchObject(kind === 'traps' ? { kind: 'trap' } : { kind: 'exit', status: 0 });
  });
});
