import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    // Real processes and JSPI: one process per file, never threads.
    pool: 'forks',
    // Waits end with an event; these only bound a test that hangs.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    // Real processes on a loaded machine: a test is tried once more, and named in the summary as retried. What random
    // inputs found stays found.
    retry: { count: 1, condition: /^(?!Property failed)/ },
  },
});
