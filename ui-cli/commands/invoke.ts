/** Command invoke: calls a handler; prints the answer's body on stdout, all facts about it on stderr. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { messageOf, PlatformError } from '../../src/protocol/errors.ts';
import type { Client } from '../client/client.ts';
import { awaitRecord } from '../client/invocation-record.ts';
import type { Answer } from '../client/invoke.ts';
import type { Context } from '../context.ts';
import { exitCodes } from '../output.ts';
import { readStdin, stdinBytesMax } from '../prompt.ts';
import { formatBytes, formatCount, formatDuration } from '../text/format.ts';
import { formatLogLine } from '../text/log-line.ts';
import { visible, visibleLines } from '../text/visible.ts';
import { handlerArgument } from './arguments.ts';

interface InvokeCommandOptions {
  readonly method?: string;
  readonly header: readonly string[];
  readonly data?: string;
  readonly include?: boolean;
}

export function addInvokeCommand(program: Command, context: Context): void {
  program
    .command('invoke')
    .description('call a handler and print its answer')
    .usage('[options] [name] [path]')
    .argument('[name]', handlerArgument)
    .argument('[path]', 'path and query (default: "/")')
    .option('-X, --method <method>', 'request method; GET, or POST with --data')
    .option('-H, --header <header>', '"Name: value", may be repeated', collect, [])
    .option('-d, --data <data>', 'body: text, @FILE, or - for standard input')
    .option('-i, --include', 'print the head of the answer too')
    .addHelpText(
      'after',
      '\nExit status 1 if the answer is 400 or above. A call that fails shows its reason and its log lines.',
    )
    .allowExcessArguments()
    .action(async (first: string | undefined, second: string | undefined, options: InvokeCommandOptions, command) => {
      checkWords(command.args);
      // In a repository the handler may be left out: `invoke /path`.
      const [given, path = '/'] = first?.startsWith('/') && second === undefined ? [undefined, first] : [first, second];
      const name = await context.handlerName(given);
      const { invoke, parseHeader } = await import('../client/invoke.ts');
      const headers = options.header.map(parseHeader);
      const client = await context.client();
      const handler = await client.handler(name);
      const body = options.data === undefined ? null : await readBody(options.data);
      const answer = await invoke({
        url: handler.url,
        path,
        method: (options.method ?? (body === null ? 'GET' : 'POST')).toUpperCase(),
        headers,
        body,
      });
      try {
        await (context.json ? printJson(context, answer) : print(context, answer, options.include === true));
      } catch (error) {
        throw new PlatformError('unavailable', 'the answer broke off before its end', {
          hints: [`the log may say why: wasmcloud logs ${name} --invocation ${answer.invocation ?? 'ID'}`],
          cause: error,
        });
      } finally {
        if (answer.status >= 500 && answer.invocation !== null && !context.json)
          await explainFailure(context, client, { handler: name, id: answer.invocation });
      }
      if (answer.status >= 400) context.exitStatus = exitCodes.error;
    });
}

/** Prints why a call failed and its log lines. The answer has been printed, so a failure in here is no error. */
async function explainFailure(
  context: Context,
  client: Client,
  call: { readonly handler: string; readonly id: string },
): Promise<void> {
  const found = await awaitRecord(client, call).catch(() => null);
  if (found === null) return;
  const { record, lines } = found;
  const used = `${formatCount(record.gas)} gas, ${formatBytes(record.memoryPages * 65_536)} of memory`;
  context.out.note(`v${record.deployment} ended: ${record.outcome}, ${used}`);
  for (const line of lines) context.out.note(`  ${formatLogLine(line, { iso: false })}`);
}

const methods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'QUERY',
]);

/** Throws `bad_request` where a method stands among the arguments, or there are more than a name and a path. */
function checkWords(words: readonly string[]): void {
  const method = words.find((word) => methods.has(word));
  const rest = words.filter((word) => word !== method).slice(0, 2);
  if (method !== undefined)
    throw new PlatformError('bad_request', `${method} is no path and no handler: the method is an option`, {
      hints: [`wasmcloud invoke ${[...rest, '-X', method].map(visible).join(' ')}`],
    });
  if (words.length > 2)
    throw new PlatformError('bad_request', `invoke takes a name and a path, not ${words.length} arguments`, {
      hints: ['a body goes behind --data, a method behind --method: wasmcloud invoke --help'],
    });
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

async function readBody(data: string): Promise<Uint8Array> {
  if (data === '-') return readStdin(stdinBytesMax);
  if (!data.startsWith('@')) return Buffer.from(data);
  try {
    return await readFile(data.slice(1));
  } catch (error) {
    const why = messageOf(error);
    throw new PlatformError('bad_request', `cannot read the body: ${why}`, { cause: error });
  }
}

async function print(context: Context, answer: Answer, include: boolean): Promise<void> {
  const { out } = context;
  if (include) {
    out.line(visible(`HTTP/1.1 ${answer.status} ${answer.reason}`));
    for (const [name, value] of answer.headers) out.line(visible(`${name}: ${value}`));
    out.line();
  }
  if (out.stdoutIsTty) {
    // On a terminal the body is escaped, since a function's answer is foreign text. A pipe gets the raw bytes.
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of answer.body) {
      const lines = visibleLines(rest + decoder.decode(chunk, { stream: true }));
      rest = lines.pop() ?? '';
      for (const line of lines) out.line(line);
    }
    if (rest !== '') out.line(visible(rest));
  } else {
    for await (const chunk of answer.body) await out.bytes(chunk);
  }
  const invocation = answer.invocation === null ? '' : `, invocation ${visible(answer.invocation)}`;
  out.note(`${answer.status} ${visible(answer.reason)} in ${formatDuration(answer.headMs)}${invocation}`);
}

async function printJson(context: Context, answer: Answer): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const text = decodeText(bytes);
  context.out.json({
    status: answer.status,
    headers: answer.headers,
    invocation: answer.invocation,
    headMs: Math.round(answer.headMs * 10) / 10,
    ...(text === null ? { bodyBase64: bytes.toString('base64') } : { body: text }),
  });
}

function decodeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
