/** Commands namegen, create, list, show, branch, rename, delete, restore. */
import { randomInt } from 'node:crypto';
import process from 'node:process';
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import { checkHandlerName, generateName } from '../../src/protocol/names.ts';
import type { HandlerView } from '../../src/protocol/views.ts';
import { openInBrowser } from '../browser.ts';
import type { Client, HandlerQuery } from '../client/client.ts';
import type { Context } from '../context.ts';
import { moveRemotes } from '../git-handler.ts';
import { addRemote, describeRemote, gitUrl, type RemoteOutcome } from '../git-remote.ts';
import { Cancelled } from '../output.ts';
import { ask } from '../prompt.ts';
import { formatAgo, formatDate } from '../text/format.ts';
import { formerNameFacts, handlerTable, stateText } from '../text/handler.ts';
import { settingsLines } from '../text/settings.ts';
import { facts } from '../text/table.ts';
import { handlerArgument, parseCount } from './arguments.ts';

export function addHandlerCommands(program: Command, context: Context): void {
  program
    .command('namegen')
    .description('make up a name for a handler')
    .option('-n, --count <number>', 'how many', parseCount(1, 1000), 1)
    .action((options: { readonly count: number }) => {
      const names = Array.from({ length: options.count }, () => generateName(randomInt));
      context.result(names, names);
    });

  program
    .command('create')
    .description('create a handler and add the git remote wasmcloud')
    .argument('[name]', 'its name; without one the server makes one up')
    .option('--remote <name>', 'name of the git remote', 'wasmcloud')
    .action(async (name: string | undefined, options: { readonly remote: string }) => {
      if (name !== undefined) checkHandlerName(name);
      const client = await context.client();
      const handler = await create(client, name ?? null);
      const remote = await addRemote({
        folder: process.cwd(),
        remote: options.remote,
        url: gitUrl(client.target.server, handler.name),
        server: client.target.server,
        launcher: context.environment.launcher,
      });
      context.result({ ...handler, remote }, createdLines(client, handler, remote));
    });

  program
    .command('list')
    .alias('ls')
    .description('list your handlers')
    .option('--search <text>', 'those whose name contains it')
    .option('--deleted', 'those that were deleted and can be restored')
    .action(async (query: HandlerQuery) => {
      const { search, deleted = false } = query;
      const handlers = await (await context.client()).handlers(query);
      if (context.json) context.out.json(handlers);
      else if (handlers.length > 0) for (const line of handlerTable(handlers, Date.now())) context.out.line(line);
      else if (search !== undefined)
        context.out.note(`no ${deleted ? 'deleted ' : ''}handler has ${search} in its name`);
      else if (deleted) context.out.note('no deleted handlers');
      else context.out.note('no handlers yet\nhint: create one: wasmcloud create');
    });

  program
    .command('show')
    .description('show one handler')
    .argument('[name]', handlerArgument)
    .action(async (given: string | undefined) => {
      const client = await context.client();
      const handler = await client.handler(await context.handlerName(given));
      context.result(handler, handlerLines(client, handler, Date.now()));
    });

  program
    .command('open')
    .description("open a handler's URL in the browser")
    .argument('[name]', handlerArgument)
    .action(async (given: string | undefined) => {
      const handler = await (await context.client()).handler(await context.handlerName(given));
      const { browser, interactive } = context.environment;
      const opened = interactive && (await openInBrowser(handler.url, browser));
      context.result({ url: handler.url, opened }, [handler.url]);
      if (!opened && !context.json) context.out.note('no browser was started: open the URL yourself');
    });

  program
    .command('branch')
    .description('choose the branch whose pushes are deployed')
    .usage('[options] [name] <branch>')
    .argument('<name>', handlerArgument)
    .argument('[branch]', 'branch')
    .action(async (first: string, second: string | undefined) => {
      // In a repository the handler may be left out: `branch main`.
      const name = await context.handlerName(second === undefined ? undefined : first);
      const branch = second ?? first;
      const handler = await (await context.client()).setDeployBranch(name, branch);
      context.result(handler, [`pushes to ${branch} deploy ${name}`]);
    });

  program
    .command('rename')
    .description('give a handler another name; git and callers that use the old one are redirected')
    .argument('<name>', handlerArgument)
    .argument('<new-name>', 'its new name')
    .action(async (name: string, to: string) => {
      checkHandlerName(to);
      const client = await context.client();
      const { server } = client.target;
      const handler = await client.renameHandler(name, to);
      const remotes = await moveRemotes(process.cwd(), { server, from: name, to }).catch(() => []);
      context.result({ ...handler, remotes }, [
        `${name} is called ${to} now`,
        ...remotes.map((remote) => `the git remote ${remote} leads to it`),
        ...facts([
          ['  url', handler.url],
          ['  git', gitUrl(server, to)],
        ]),
      ]);
    });

  program
    .command('delete')
    .description('delete a handler; restore brings it back')
    .argument('<name>', handlerArgument)
    .option('--confirm <name>', 'its name again, instead of typing it')
    .option('--purge', 'remove it for good, also one that is deleted already: nothing brings it back')
    .action(async (name: string, options: { readonly confirm?: string; readonly purge?: boolean }) => {
      const client = await context.client();
      if (options.purge === true) {
        const loss = `${name} is removed with its repository, versions, log and values: nothing brings it back`;
        await confirmName(context, { name, loss, flags: ' --purge' }, options.confirm);
        await client.purgeHandler(name);
        context.result({ name, deleted: true, purged: true }, [`removed ${name} for good`]);
        return;
      }
      const handler = await client.handler(name);
      const loss = `${name} (${stateText(handler)}) stops answering at ${handler.url}`;
      await confirmName(context, { name, loss, flags: '' }, options.confirm);
      await client.deleteHandler(name);
      context.result({ name, deleted: true }, [`deleted ${name}`]);
      if (!context.json) context.out.note(`hint: bring it back with wasmcloud restore ${name}`);
    });

  program
    .command('restore')
    .description('bring a deleted handler back')
    .argument('<name>', handlerArgument)
    .action(async (name: string) => {
      const client = await context.client();
      await client.restoreHandler(name);
      const handler = await client.handler(name);
      context.result(handler, [`restored ${name}`, ...handlerLines(client, handler, Date.now())]);
    });
}

/** Creates a handler. If the name is taken by the user's own handler, only the git remote is missing. */
async function create(client: Client, name: string | null): Promise<HandlerView> {
  try {
    return await client.createHandler(name);
  } catch (error) {
    if (name === null || !(error instanceof PlatformError) || error.code !== 'name_taken') throw error;
    const own = await client.handler(name).catch(() => null);
    if (own === null) throw error;
    throw new PlatformError('name_taken', `${name} is yours already`, {
      hints: [`push to it: git remote add wasmcloud ${gitUrl(client.target.server, name)}`],
      cause: error,
    });
  }
}

async function confirmName(
  context: Context,
  { name, loss, flags }: { readonly name: string; readonly loss: string; readonly flags: string },
  given: string | undefined,
): Promise<void> {
  const hint = `to delete it: wasmcloud delete ${name}${flags} --confirm ${name}`;
  if (given === undefined) {
    context.needTerminal(`deleting ${name} needs its name once more`, hint);
    context.out.note(loss);
    const typed = await ask('Type its name to delete it: ');
    if (typed.trim() !== name) throw new Cancelled('the names differ; nothing was deleted');
  } else if (given !== name) {
    throw new PlatformError('bad_request', `--confirm ${given} does not match ${name}; nothing was deleted`, {
      hints: [hint],
    });
  }
}

function handlerLines(client: Client, handler: HandlerView, nowMs: number): string[] {
  const deployed = handler.deployedMs;
  return facts([
    ['name', handler.name],
    ...formerNameFacts(handler, nowMs),
    ['state', stateText(handler)],
    ['url', handler.url],
    ['', `${handler.pathUrl}  (without wildcard DNS)`],
    ['git', gitUrl(client.target.server, handler.name)],
    ['branch', handler.deployBranch ?? 'the first one pushed'],
    ['owner', handler.owner],
    ...settingsLines(handler.settings).map((line, at) => [at === 0 ? 'set' : '', line] as const),
    ['created', formatDate(handler.createdMs)],
    ['deployed', deployed === null ? 'never' : `${formatDate(deployed)} (${formatAgo(deployed, nowMs)})`],
  ]);
}

function createdLines(client: Client, handler: HandlerView, remote: RemoteOutcome): string[] {
  return [
    `created ${handler.name}`,
    ...facts([
      ['  url', handler.url],
      ['  git', gitUrl(client.target.server, handler.name)],
    ]),
    '',
    ...describeRemote(remote, gitUrl(client.target.server, handler.name)),
  ];
}
