/** Starts screens for tests: one user with three handlers behind a real API, one of them with a history. */
import process from 'node:process';
import { afterAll, afterEach } from 'vitest';
import { beforeAttempts } from './attempts.ts';
import { type OpenOptions, Terminal } from './terminal.tsx';
import { type Control, line, record, startControl } from './ui-cli.ts';

export interface TestScreens {
  readonly control: Control;
  /** The Token of the user `ada`. */
  readonly token: string;
  /** Opens the terminal interface; it is closed at the end of the test. */
  open(options?: Partial<OpenOptions>): Terminal;
}

/**
 * Starts control once for the file, and anew for a test that is tried once more. `alpha` has v1 and v2 retired, v3
 * failed, v4 live, four log lines and two invocations; `beta` and `gamma` are empty.
 */
export function testScreens(): TestScreens {
  let control: Control | undefined;
  let token = '';
  let terminals: Terminal[] = [];
  beforeAttempts(
    async () => {
      control = await startControl();
      token = await control.user('ada');
      await fill(control);
    },
    async () => control?.close(),
  );
  afterEach(({ task }) => {
    // A test that waits for a text in vain says nothing itself: its last frames do.
    if (task.result?.state === 'fail')
      for (const { frame } of terminals) process.stdout.write(`${task.name}: last frame\n${frame}\n`);
    for (const terminal of terminals) terminal.close();
    terminals = [];
  });
  afterAll(() => control?.close());
  const started = (): Control => {
    if (control === undefined) throw new Error('control has not started');
    return control;
  };
  return {
    get control() {
      return started();
    },
    get token() {
      return token;
    },
    open(options = {}) {
      const terminal = new Terminal({ control: started(), token, ...options });
      terminals.push(terminal);
      return terminal;
    },
  };
}

async function fill(control: Control): Promise<void> {
  for (const name of ['alpha', 'beta', 'gamma']) await control.handler(name, 'ada');
  for (const number of [1, 2]) await control.deploy({ handler: 'alpha', user: 'ada', number, state: 'retired' });
  await control.deploy({
    handler: 'alpha',
    user: 'ada',
    number: 3,
    state: 'failed',
    failure: 'no runner could compile it',
  });
  await control.deploy({
    handler: 'alpha',
    user: 'ada',
    number: 4,
    state: 'live',
    policy: { allow: ['^https://api\\.example\\.com/'], disallow: [] },
  });
  await control.write(
    line('alpha', 'first line'),
    line('alpha', 'evil \u001b[2J\u0007 line'),
    line('alpha', 'it broke', { level: 1, invocation: 'i_broken' }),
    line('alpha', 'last line'),
  );
  await control.record({
    records: [record('alpha', 'i_fine'), record('alpha', 'i_broken', { status: 500, outcome: 'trapped' })],
    counts: [
      {
        handler: 'alpha',
        deployment: 4,
        invocations: 2,
        failures: 1,
        gas: 2_468,
        durationMs: 3,
        bytesIn: 0,
        bytesOut: 9,
        inFlight: 0,
      },
    ],
  });
}
