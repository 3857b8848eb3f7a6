/** A test run that is killed leaves no process behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('a runner of a test process that is killed ends by itself', async () => {
  const program = fileURLToPath(new URL('support/fleet-child.ts', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  expect(existsSync(`/proc/${line}`)).toBe(true);
  child.kill('SIGKILL');
  while (existsSync(`/proc/${line}`)) await after(50);
});
