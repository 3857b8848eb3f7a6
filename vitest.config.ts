import { defineConfig } from 'vitest/config';
import { postgresMissing } from './src/bin/postgres-server.ts';

/** Tests of control that run a second time with their platform's database on PostgreSQL (test/support/database.ts). */
export const onPostgresToo = [
  'test/control/git/{access,clients,previews,push,push-quota,relinking,renames,rollouts}.test.ts',
  'test/control/deploy/settings.test.ts',
  'test/control/api/{api,audit,client,exports,hostile-input,lists,log-stream,manners,twins}.test.ts',
  'test/control/api/{open-downloads,pages,permissions,queues,revocation,tls-ask}.test.ts',
  'test/client/client.test.ts',
];

if (postgresMissing !== null) process.stderr.write(`skipped: control on PostgreSQL: ${postgresMissing}\n`);

export default defineConfig({
  test: {
    // Real processes and JSPI: one process per file, never threads.
    pool: 'forks',
    // Waits end with an event; these only bound a test that hangs.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 120_000 } },
    maxWorkers: 2,
    // Real processes on a loaded machine: a test is tried once more, and named in the summary as retried. What random
    // inputs found stays found.
    retry: { count: 1, condition: /^(?!Property failed)/ },
    projects: [
      { extends: true, test: { name: 'all', include: ['test/**/*.test.{ts,tsx}'] } },
      ...(postgresMissing === null
        ? [
            {
              extends: true as const,
              test: { name: 'postgres', include: onPostgresToo, env: { TEST_DATABASE: 'postgres' } },
            },
          ]
        : []),
    ],
  },
});
