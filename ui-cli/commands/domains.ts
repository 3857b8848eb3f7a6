/** Command domains: custom domains of a handler (docs/domains.md). */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { domainLines, domainTable } from '../text/domain.ts';
import { handlerArgument } from './arguments.ts';

const actions = ['list', 'add', 'check', 'remove'] as const;
type Action = (typeof actions)[number];

export function addDomainCommand(program: Command, context: Context): void {
  program
    .command('domains')
    .description('domains of your own for a handler: list, add, check, remove')
    .usage('[options] [name] [action] [domain]')
    .argument('[name]', handlerArgument)
    .argument('[action]', 'list, add, check or remove')
    .argument('[domain]', 'such as api.example.com')
    .action(async (...words: (string | undefined)[]) => {
      const { handler, action, domain } = readWords(words.slice(0, 3).filter((word) => typeof word === 'string'));
      const name = await context.handlerName(handler);
      const { domains } = await context.client();
      if (action === 'list') {
        const found = await domains.list(name);
        if (context.json) context.out.json(found);
        else if (found.length > 0) for (const line of domainTable(found, Date.now())) context.out.line(line);
        else context.out.note(`${name} has no domains; wasmcloud domains ${name} add api.example.com adds one`);
        return;
      }
      if (domain === undefined)
        throw new PlatformError('bad_request', 'name the domain', {
          hints: [`wasmcloud domains ${name} ${action} api.example.com`],
        });
      if (action === 'remove') {
        await domains.remove(name, domain);
        context.result({ name, domain, removed: true }, [`${name} is not served under ${domain} any more`]);
        return;
      }
      const shown = await domains[action](name, domain);
      context.result(shown, domainLines(name, shown));
      if (!context.json && shown.domain !== domain.toLowerCase().replace(/\.$/, ''))
        context.out.note(`note: ${shown.domain} is what DNS calls the domain that you typed`);
    });
}

interface Words {
  /** Absent: the handler of the repository in the current folder. */
  readonly handler: string | undefined;
  readonly action: Action;
  readonly domain: string | undefined;
}

/** Reads `NAME ACTION DOMAIN`; inside a repository also `ACTION DOMAIN`. A handler may have the name of an action. */
function readWords(words: readonly string[]): Words {
  const [first, second, third] = words;
  if (isAction(first) && !isAction(second) && third === undefined)
    return { handler: undefined, action: first, domain: second };
  if (second !== undefined && !isAction(second))
    throw new PlatformError('bad_request', `${JSON.stringify(second)} is none of ${actions.join(', ')}`);
  return { handler: first, action: second ?? 'list', domain: third };
}

function isAction(word: string | undefined): word is Action {
  return actions.some((action) => action === word);
}
