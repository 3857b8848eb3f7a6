/** Command profile: which functions of a deployed program use the gas (docs/profiles.md). */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { gasProfileLimits } from '../../src/protocol/gas-profile.ts';
import type { Context } from '../context.ts';
import { writeProfile } from '../exports/profile-file.ts';
import { profileLines, profileSum, profileTree } from '../text/gas-profile.ts';
import { handlerArgument } from './arguments.ts';

export function addProfileCommand(program: Command, context: Context): void {
  program
    .command('profile')
    .description('watch calls for some seconds, and show which functions of the program use the gas')
    .argument('[name]', handlerArgument)
    .addOption(
      new Option('--seconds <n>', `how long, at most ${gasProfileLimits.seconds}`).argParser(parseSeconds).default(10),
    )
    .option('-o, --output <file>', 'write a flame graph (.svg), or folded stacks')
    .action(async (given: string | undefined, options: { readonly seconds: number; readonly output?: string }) => {
      const name = await context.handlerName(given);
      const profile = await (await context.client()).takeProfile(name, options.seconds);
      if (options.output !== undefined)
        for (const line of await writeProfile(options.output, name, profile)) context.out.note(line);
      if (context.json) return context.out.json(profile);
      for (const line of profileLines(profileTree(profile))) context.out.line(line);
      if (profile.samples === 0 && profile.calls === 0)
        context.out.note(`no calls within ${options.seconds} s\nhint: wasmcloud invoke ${name}`);
      else context.out.note(profileSum(profile));
    });
}

function parseSeconds(word: string): number {
  const seconds = /^\d{1,3}$/.test(word) ? Number(word) : Number.NaN;
  if (!(seconds >= 1 && seconds <= gasProfileLimits.seconds))
    throw new InvalidArgumentError(`seconds are a whole number from 1 to ${gasProfileLimits.seconds}`);
  return seconds;
}
