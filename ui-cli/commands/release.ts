/** release */
import type { Command } from 'commander';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Context } from '../context.ts';
import { rolloutTable } from '../text/rollout.ts';
import { handlerArgument, parseCount, parseVersion } from './arguments.ts';

interface ReleaseOptions {
  readonly percent?: number;
  readonly finish?: boolean;
  readonly abort?: boolean;
}

export function addReleaseCommand(program: Command, context: Context): void {
  program
    .command('release')
    .description('let a share of the calls go to another version, see how both do, finish or abort')
    .usage('[options] [name] [version]')
    .argument('[name]', handlerArgument)
    .argument('[version]', 'deployment that gets the share, such as v7')
    .option('-p, --percent <n>', 'share of the callers, 1 to 99', parseCount(1, 99))
    .option('--finish', 'let all calls go to the new version')
    .option('--abort', 'let all calls go to the version before')
    .action(async (first: string | undefined, second: string | undefined, options: ReleaseOptions) => {
      const { percent, finish = false, abort = false } = options;
      if ([percent !== undefined, finish, abort].filter((is) => is).length > 1)
        throw new PlatformError('bad_request', 'choose one of --percent, --finish and --abort');
      // Inside a repository: `release v7 --percent 10`.
      const isVersion = second === undefined && first !== undefined && /^v\d+$/.test(first);
      const name = await context.handlerName(isVersion ? undefined : first);
      const version = isVersion ? first : second;
      const client = await context.client();
      if (finish) {
        await client.releases.finishRollout(name);
        context.result({ name, finished: true }, ['all calls go to the new version']);
        return;
      }
      if (abort) {
        await client.releases.abortRollout(name);
        context.result({ name, aborted: true }, ['all calls go to the version before']);
        return;
      }
      const running = await client.releases.rollout(name);
      if (percent === undefined) {
        if (version !== undefined)
          throw new PlatformError('bad_request', 'say which share of the calls it gets', {
            hints: [`wasmcloud release ${name} ${version} --percent 10`],
          });
        if (context.json) context.out.json(running);
        else if (running === null) context.out.note('no gradual release: all calls go to the live version');
        else for (const line of rolloutTable(running, Date.now())) context.out.line(line);
        return;
      }
      const number = version === undefined ? running?.to : parseVersion(version);
      if (number === undefined)
        throw new PlatformError('bad_request', 'say which version gets the share', {
          hints: [
            `wasmcloud release ${name} v7 --percent ${percent}`,
            `see what there is: wasmcloud deployments ${name}`,
          ],
        });
      await client.releases.setRollout(name, { number, percent });
      context.result({ name, number, percent }, [`v${number} gets ${percent} % of the calls`]);
      if (!context.json) context.out.note(`hint: see how it does with wasmcloud release ${name}`);
    });
}
