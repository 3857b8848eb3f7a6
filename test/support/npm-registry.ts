/** Whether npm gets packages here: tests that need a compiler from there skip without it. */
import { spawnSync } from 'node:child_process';

/** Returns why npm gets no packages; null: it does. Asks the registry once, for at most 30 s. */
export function npmMissing(): string | null {
  const { status, error } = spawnSync('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=30000'], {
    timeout: 60_000,
  });
  if (error !== undefined) return 'npm is missing';
  return status === 0 ? null : 'npm does not reach its registry, which has the compiler';
}
