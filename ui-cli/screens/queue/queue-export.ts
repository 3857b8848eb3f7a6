/** Writes the messages of a queue to a file, and tells how far it is. */
import { access } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { MessageState } from '../../../src/protocol/nouns.ts';
import { exportedQueue, exportToFile, lineFormatOf, partOf } from '../../exports/export-file.ts';
import type { App } from '../../frame/app.ts';
import type { FormSlot } from '../../frame/form-slot.ts';
import type { Task } from '../../frame/task.ts';
import { errorLines } from '../../text/error-lines.ts';
import { formatBytes, plural } from '../../text/format.ts';
import { progressLine } from '../../text/progress.ts';
import { visible } from '../../text/visible.ts';

interface Exporting {
  readonly name: string;
  /** State of the messages; null: any. */
  readonly state: MessageState | null;
}

export function askExport(app: App, slot: FormSlot, { name, state }: Exporting): void {
  const what = state === null ? '' : `-${state}`;
  slot.ask({
    title: `Export ${state === null ? 'all' : state} messages of ${visible(name)}`,
    verb: 'export',
    notes: [
      'A line of JSON for each message; a name with .csv makes CSV, .gz or .zst at the end compresses.',
      'wasmcloud queue import NAME FILE publishes them again.',
    ],
    fields: [{ label: 'File', value: `${name}${what}.ndjson` }],
    submit: (form) => void checkAndExport(app, slot, { name, state, out: form.value('File').trim() }),
  });
}

async function checkAndExport(app: App, slot: FormSlot, asked: Exporting & { readonly out: string }): Promise<void> {
  const { out } = asked;
  if (out === '') return app.say('error', 'which file? a new one');
  const path = isAbsolute(out) ? out : join(app.options.folder, out);
  const start = (resume: boolean) => {
    slot.close();
    void exportQueue(app, { ...asked, path, resume });
  };
  if (!(await exists(partOf(path))) || (await exists(path))) return start(false);
  app.ask({
    kind: 'confirm',
    title: 'Go on with the export?',
    lines: [`${partOf(visible(out))} has what came before an export was interrupted. To begin anew, remove it first.`],
    verb: 'go on',
    run: () => start(true),
  });
}

async function exportQueue(
  app: App,
  asked: Exporting & { readonly out: string; readonly path: string; readonly resume: boolean },
): Promise<void> {
  const { name, state, out, path, resume } = asked;
  await app.run(
    `exporting to ${visible(out)}`,
    async (task) => {
      const { signal } = task.abort;
      const format = lineFormatOf(out);
      const exported = exportedQueue(app.client, name, { ...(state === null ? {} : { state }), format, signal });
      const total = await exported.total();
      try {
        const done = await exportToFile(exported, { format, resume, out: path, progress: progressOf(task, total) });
        app.say('done', `wrote ${plural(done.records, 'message')} (${formatBytes(done.bytes)}) to ${visible(out)}`);
      } catch (error) {
        if (task.cancelled) task.step = `what has come is in ${partOf(visible(out))}; x goes on with it`;
        throw error;
      }
    },
    errorLines,
  );
}

/** Returns a function that makes the progress the step of a task. */
function progressOf(task: Task, total: number | null): (records: number, bytes: number) => void {
  let before: number | null = null;
  return (records, bytes) => {
    before ??= records;
    const perSecond = ((records - before) * 1000) / Math.max(1, Date.now() - task.startedMs);
    task.step = progressLine('message', { records, total, bytes, perSecond });
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
