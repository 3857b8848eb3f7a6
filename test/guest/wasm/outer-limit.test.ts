import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { wat } from '../../support/wasm.ts';

/** Runs `script` in a process with an outer limit; `limit` names the test. */
function run(script: string) {
  const text = `
    import { startOuterLimit } from ${JSON.stringify(new URL('../../support/outer-limit.ts', import.meta.url).href)};
    const limit = startOuterLimit({ limitMs: 300 });
    limit.name('the test');
    ${script}`;
  const { signal, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGTERM',
  });
  return { signal, status, stderr };
}

describe('the outer limit of tests that run guests', () => {
  test('kills a process in which a guest without checks never ends, and names the test', () => {
    const endless = Buffer.from(wat('(module (func (export "run") loop br 0 end))')).toString('base64');
    const { signal, stderr } = run(`
      const bytes = Buffer.from(${JSON.stringify(endless)}, 'base64');
      const { instance } = await WebAssembly.instantiate(bytes);
      setTimeout(() => instance.exports.run(), 100);`);
    expect(signal).toBe('SIGKILL');
    expect(stderr).toContain('the event loop has not turned for 300 ms in: the test');
  });

  test('lets a process end by itself', () => {
    expect(run('await new Promise((resolve) => setTimeout(resolve, 700));')).toMatchObject({ status: 0, signal: null });
  });
});
