/** The Rust compiler of this machine that makes WebAssembly. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Returns a PATH whose Rust has the target, and the target's name; null: there is none. */
export function rust(): { readonly env: NodeJS.ProcessEnv; readonly target: string } | null {
  for (const PATH of [process.env.PATH ?? '', `/usr/bin:${process.env.PATH}`]) {
    const env = { ...process.env, PATH };
    if (spawnSync('cargo', ['--version'], { env }).status !== 0) continue;
    for (const target of ['wasm32-wasip1', 'wasm32-wasi']) {
      const { stdout } = spawnSync('rustc', ['--print', 'target-libdir', '--target', target], {
        encoding: 'utf8',
        env,
      });
      if (existsSync(stdout?.trim() || '/-')) return { env, target };
    }
  }
  return null;
}
