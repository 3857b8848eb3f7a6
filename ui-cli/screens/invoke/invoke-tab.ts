/** Calls the handler and shows the answer, its usage and its log lines. */
import { MIB } from '../../../src/protocol/limits.ts';
import type { InvocationRecord, LogLine } from '../../../src/protocol/nouns.ts';
import { awaitRecord } from '../../client/invocation-record.ts';
import type { Answer } from '../../client/invoke.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Form } from '../../frame/form.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { errorLines } from '../../text/error-lines.ts';
import { formatBytes, formatCount, formatDuration } from '../../text/format.ts';
import { formatLogLine } from '../../text/log-line.ts';
import { visible, visibleLines } from '../../text/visible.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Bytes of an answer that are shown; the command line can write all of it to a file. */
const shownBytesMax = MIB;
/** Rows of the form and of the line below it. */
export const invokeHeadRows = 5;

export class InvokeTab extends Screen {
  readonly crumbs = ['invoke'];
  readonly app: App;
  readonly handler: HandlerContext;
  readonly form: Form;
  readonly scroll: Scroll;
  /** Summary of the last answer in one line; null: none yet. */
  summary: string | null = null;
  #editing = false;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.scroll = new Scroll({
      rows: () => Math.max(1, app.bodyRows - invokeHeadRows),
      columns: () => app.size.columns - 2,
    });
    this.form = new Form(
      [
        { label: 'Method', value: 'GET' },
        { label: 'Path', value: '/' },
        { label: 'Header', placeholder: 'Name: value' },
        { label: 'Body', multiline: true },
      ],
      () => void this.#send(),
    );
    this.form.focused = 1;
  }

  get editing(): boolean {
    return this.#editing;
  }

  override typing(): TypingTarget | null {
    return this.#editing ? this.form.input : null;
  }

  override back(): boolean {
    if (!this.#editing) return false;
    this.#editing = false;
    return true;
  }

  override status(): Status {
    return this.scroll.status();
  }

  bindings(): readonly Binding[] {
    if (this.#editing) {
      return [
        { keys: ['ctrl-s'], label: 'send', help: 'send the request', run: () => void this.#send() },
        ...this.form.bindings('send').filter((binding) => !binding.keys.includes('ctrl-s')),
      ];
    }
    return [
      { keys: ['enter', 's'], label: 'send', help: 'send the request', run: () => void this.#send() },
      { keys: ['e'], label: 'edit request', help: 'change method, path, header or body', run: () => this.#edit() },
      ...this.scroll.bindings(),
    ];
  }

  #edit(): void {
    this.#editing = true;
  }

  async #send(): Promise<void> {
    const { app, form, handler } = this;
    this.#editing = false;
    await app.run(
      `${form.value('Method')} ${form.value('Path')}`,
      async (task) => {
        const { signal } = task.abort;
        const { invoke, parseHeader } = await import('../../client/invoke.ts');
        const { url } = handler.handler.data ?? (await app.client.handler(handler.name, { signal }));
        const body = form.value('Body');
        const answer = await invoke({
          url,
          path: form.value('Path'),
          method: form.value('Method').trim().toUpperCase() || 'GET',
          headers: form.value('Header').trim() === '' ? [] : [parseHeader(form.value('Header'))],
          body: body === '' ? null : Buffer.from(body),
          signal,
        });
        this.summary = `${answer.status} ${visible(answer.reason)} in ${formatDuration(answer.headMs)}`;
        const lines = [...headLines(answer), ''];
        this.scroll.set(lines);
        task.step = 'reading the answer';
        lines.push(...(await bodyLines(answer)));
        this.scroll.set([...lines]);
        task.step = 'waiting for its record';
        if (answer.invocation === null) return;
        const found = await awaitRecord(app.client, { handler: handler.name, id: answer.invocation, signal });
        const after = found === null ? [`invocation ${answer.invocation}`, ''] : recordLines(found.record, found.lines);
        this.scroll.set([...after, ...lines]);
      },
      errorLines,
    );
  }
}

function headLines(answer: Answer): string[] {
  return answer.headers.map(([name, value]) => visible(`${name}: ${value}`));
}

async function bodyLines(answer: Answer): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let brokenOff: string[] = [];
  try {
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > shownBytesMax) break;
    }
  } catch {
    brokenOff = ['-- the answer broke off here --'];
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const lines = visibleLines(text.slice(0, shownBytesMax));
  return bytes > shownBytesMax
    ? [...lines, `(more than ${formatBytes(shownBytesMax)}; the rest is not shown)`]
    : [...lines, ...brokenOff];
}

function recordLines(record: InvocationRecord, lines: readonly LogLine[]): string[] {
  const used = [
    `gas ${formatCount(record.gas)}`,
    `memory ${formatBytes(record.memoryPages * 65_536)}`,
    `v${record.deployment}`,
    record.outcome,
    visible(record.id),
  ];
  return [used.join('   '), ...lines.map((line) => formatLogLine(line, { iso: false })), ''];
}
