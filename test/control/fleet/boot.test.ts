import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { TestFleet } from '../../support/fleet.ts';

it('a runner that never gets ready is ended, and the start says what was waited for and how long', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trisiel-boot-'));
  const program = join(folder, 'runner.ts');
  await writeFile(program, 'setInterval(() => {}, 1_000);\n');
  const fleet = new TestFleet({ program, programFolder: folder, bootMs: 300 });
  try {
    await expect(fleet.start()).rejects.toMatchObject({
      code: 'unavailable',
      message: 'a runner ended before it served: it was not ready within 300 ms',
    });
    expect(fleet.runners).toEqual([]);
  } finally {
    await fleet.stop();
    await rm(folder, { recursive: true });
  }
});
