/** Makes the errors that say why no snapshot can be taken, with the texts that a push shows. */
import { PlatformError } from '../../protocol/errors.ts';
import { MIB, PAGE_BYTES } from '../../protocol/limits.ts';
import type { StartUpReport } from '../../protocol/module.ts';
import type { ProcessEnd } from '../kernel/process-end.ts';
import type { StartUp } from '../wasm/snapshot/start-up.ts';
import type { StartUpLimits } from './limits.ts';

/** Number of last output lines of a start-up that an error shows. */
const outputShown = 10;
const without = 'without snapshot = true the start-up runs in each call instead';

interface Context {
  readonly name: string;
  readonly startUp: StartUp;
  readonly report: Pick<StartUpReport, 'output'>;
}

/** Makes the error for a component. */
export function componentRefused(name: string): PlatformError {
  return new PlatformError('snapshot_failed', `${name} is a component, and snapshots are taken of modules`, {
    hints: ['take out snapshot = true, or build a core module (wasm32-wasip1)'],
  });
}

/** Makes the error for a module without a start-up; `why` is the text that startUpOf returned. */
export function noStartUp(name: string, why: string): PlatformError {
  return new PlatformError('snapshot_failed', `${name} has no start-up to take a snapshot of: ${why}`, {
    hints: ['build a reactor (clang -mexec-model=reactor), or export wizer.initialize; its type is () -> ()'],
  });
}

/** Makes the error for a start-up that did not return. */
export function endRefused(
  end: ProcessEnd,
  context: Context & {
    readonly refusedUrl: string | null;
    readonly limits: StartUpLimits;
    /** Pages up to which the memory could grow. */
    readonly pages: number;
  },
): PlatformError {
  const { refusedUrl, limits, pages } = context;
  if (refusedUrl !== null)
    return refused(context, `opens ${refusedUrl}`, {
      hints: ['network, kv and queues belong to calls: open them in the handler'],
    });
  const most = `its memory may grow to ${pages} pages (${(pages * PAGE_BYTES) / MIB} MiB)`;
  switch (end.kind) {
    case 'exit':
      return refused(context, `ended the program with status ${end.status} instead of returning`, {
        hints: ['a snapshot is taken when the start-up returns: it must not call exit'],
      });
    case 'trap':
      return refused(context, `trapped: ${end.message}`, { hints: [`${most}; ${without}`] });
    case 'policy':
      return refused(context, `opens ${end.url}, which the policy forbids (${end.rule})`, { hints: [] });
    case 'gas':
      return refused(context, `took more than ${limits.gas.toLocaleString('en-US')} instructions`, {
        hints: [without],
      });
    case 'deadline':
      return refused(context, `was still running after ${end.timeoutMs / 1000} s`, { hints: [without] });
    case 'aborted':
      return new PlatformError('bad_request', 'the start-up was interrupted');
    case 'internal':
      return new PlatformError('internal', `the start-up of ${context.name} failed on our side`, { cause: end.cause });
  }
}

/** Makes the error for a start-up that leaves things outside its instance; `lines` names them (whatIsLeft). */
export function leftRefused(lines: readonly string[], context: Context): PlatformError {
  const { name, startUp } = context;
  return new PlatformError(
    'snapshot_failed',
    `the start-up of ${name} (${startUp.names.join(', ')}) leaves things open`,
    {
      details: lines,
      hints: ['a snapshot holds memory, globals and tables: close and remove the rest before the start-up returns'],
    },
  );
}

/** Makes the error for an image of `bytes`, more than `max`. */
export function tooLarge(name: string, bytes: number, max: number): PlatformError {
  return new PlatformError(
    'snapshot_failed',
    `the snapshot of ${name} would have ${(bytes / MIB).toFixed(1)} MiB, ${max / MIB} MiB at most`,
    { hints: [`load less in the start-up; ${without}`] },
  );
}

function refused(
  { name, startUp, report }: Context,
  what: string,
  { hints }: { readonly hints: readonly string[] },
): PlatformError {
  const shown = report.output.slice(-outputShown).map((line) => `| ${line}`);
  return new PlatformError('snapshot_failed', `the start-up of ${name} (${startUp.names.join(', ')}) ${what}`, {
    details: shown,
    hints,
  });
}
