/** Whether C can be compiled to WASI here. */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why no C program can be compiled to WASI; null where one can. */
export const withoutClang = ((): string | null => {
  const options = ['--target=wasm32-wasi', '--sysroot=/usr', '-xc', '-', '-o', join(tmpdir(), 'trisiel-probe.wasm')];
  const { status, error, stderr } = spawnSync('clang', options, { input: 'int main(void) { return 0; }' });
  if (error !== undefined) return 'clang is not installed';
  return status === 0 ? null : `clang cannot compile for WASI: ${String(stderr).split('\n')[0]}`;
})();

/** Returns why there is no clang of this major version or a later one; null: there is. */
export function clangFor(major: number): string | null {
  if (withoutClang !== null) return withoutClang;
  const { stdout } = spawnSync('clang', ['--version'], { encoding: 'utf8' });
  const [, found = '0'] = /version (\d+)/.exec(stdout) ?? [];
  return Number(found) >= major ? null : `clang ${found} is older than ${major}`;
}
