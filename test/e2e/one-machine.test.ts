/**
 * Without TRISIEL_DATABASE and TRISIEL_NATS nothing of a cluster exists: no process, port or file, and no connection
 * out.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { call, createUser, makeRepo, push, removeTemporaryFolders, startPlatform } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';

afterAll(removeTemporaryFolders);

/** Process ids of a process and all below it. */
function tree(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => tree(Number(child)))];
}

/** The program that a process of Node runs, or its own name. */
function programOf(pid: number): string {
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
  return basename(args.findLast((arg) => arg.endsWith('.ts')) ?? args[0] ?? '');
}

/** Ports of TCP on which processes listen, and addresses outside of this machine to which they are connected. */
function networkOf(pids: readonly number[]): {
  readonly listening: readonly number[];
  readonly outside: readonly string[];
} {
  const inodes = new Set<string>();
  for (const pid of pids)
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1];
        if (inode !== undefined) inodes.add(inode);
      } catch {
        // It was closed just now.
      }
    }
  const listening = new Set<number>();
  const outside: string[] = [];
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const line of readFileSync(file, 'utf8').trim().split('\n').slice(1)) {
      const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (!inodes.has(inode)) continue;
      // 0A: listens. 127.0.0.1 is written as 0100007F, also at the end of an address of IPv6.
      if (state === '0A') listening.add(Number.parseInt(local.split(':')[1] ?? '', 16));
      else if (!/0100007F:|^0{31}1:/.test(remote)) outside.push(remote);
    }
  return { listening: [...listening].sort((a, b) => a - b), outside };
}

it.skipIf(process.platform !== 'linux')(
  'a server alone has its own processes, two ports, and the files of one control',
  async () => {
    const platform = await startPlatform({ TRISIEL_RUNNERS: '2' });
    const user = await createUser(platform);
    const repo = await makeRepo({ 'a.wasm': printing('alone') });
    const { stderr } = await push(platform, user, repo, 'otter');
    // There is one place only, so the push names none.
    expect(stderr).not.toMatch(/live on/);
    const answer = await call(platform, 'otter');
    expect(answer.body).toBe('alone');
    expect(Object.keys(answer.headers).filter((name) => /^trisiel-(?:node|stale)$/.test(name))).toEqual([]);

    const pids = tree(platform.child.pid!);
    const programs = pids.map(programOf).filter((name) => name !== 'vet.ts');
    expect(programs.sort()).toEqual(['runner.ts', 'runner.ts', 'serve.ts']);
    const { listening, outside } = networkOf(pids);
    const ports = [platform.controlUrl, platform.runUrl].map((url) => Number(new URL(url).port));
    expect(listening).toEqual(ports.sort((a, b) => a - b));
    expect(outside).toEqual([]);
    const files = readdirSync(platform.dataFolder).filter((name) => !/-(?:wal|shm|journal)$/.test(name));
    expect(files.sort()).toEqual([
      ...[
        'artifacts',
        'control.json',
        'control.lock',
        'control.pid',
        'env.key',
        'repos',
        'reserve',
        'run',
        'runner.key',
      ],
      ...['runners.json', 'spool', 'trisiel.db', 'vet-cache'],
    ]);
  },
);
