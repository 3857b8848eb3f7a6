import { type Command, InvalidArgumentError } from 'commander';

/**
 * Lets `program` and its commands refuse an option of theirs as the value of another one, as in
 * `signup --invite --password-stdin`: with an empty variable between the two the program would take the second one for
 * the code, and then miss a password.
 */
export function refuseOptionsAsValues(program: Command): void {
  const flags = new Set(program.options.flatMap(({ short, long }) => [short, long]));
  for (const command of [program, ...program.commands]) refuseIn(command, flags);
}

/** `outer`: flags of the commands around it. */
function refuseIn(command: Command, outer: ReadonlySet<string | undefined>): void {
  const flags = new Set([...outer, ...command.options.flatMap(({ short, long }) => [short, long])]);
  for (const option of command.options) {
    if (!option.required || option.variadic) continue;
    const { parseArg } = option;
    option.argParser((value: string, previous: unknown) => {
      if (flags.has(value)) throw new InvalidArgumentError(`It is an option: the value of ${option.long} is missing.`);
      return parseArg === undefined ? value : parseArg(value, previous);
    });
  }
  for (const inner of command.commands) refuseIn(inner, flags);
}
