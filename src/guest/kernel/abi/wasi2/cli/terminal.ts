/**
 * wasi:cli/terminal-* of WASI 0.2 and 0.3, which differ in the version only: tells whether a standard stream is a
 * terminal, which is possible for `wasmcloud run` only.
 */
import type { AbiName } from '../../../../../protocol/nouns.ts';
import { func, hostResource, option, own, type ResourceType } from '../../../../component/wit.ts';
import { dropRow, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import type { Abi, Syscall } from '../../../syscall.ts';
import { HostObject } from '../host-object.ts';

/** Stands for a terminal. It has no functions. */
class Terminal extends HostObject {
  readonly what = 'terminal';
}

function terminalOf(stream: Resource): Terminal | null {
  return stream.device === 'terminal' ? new Terminal() : null;
}

/** Returns the terminal of standard input; none if it is no terminal. */
const getTerminalStdin = (input: ResourceType): Syscall =>
  witRow('get-terminal-stdin', func({}, option(own(input))), (guest: Process) => terminalOf(guest.options.stdin));

/** Returns the terminal of standard output; none if it is no terminal. */
const getTerminalStdout = (output: ResourceType): Syscall =>
  witRow('get-terminal-stdout', func({}, option(own(output))), (guest: Process) => terminalOf(guest.options.stdout));

/** Returns the terminal of standard error; none if it is no terminal. */
const getTerminalStderr = (output: ResourceType): Syscall =>
  witRow('get-terminal-stderr', func({}, option(own(output))), (guest: Process) => terminalOf(guest.options.stderr));

/** Drops a terminal-input. */
const dropTerminalInput = (input: ResourceType): Syscall => dropRow(input);

/** Drops a terminal-output. */
const dropTerminalOutput = (output: ResourceType): Syscall => dropRow(output);

/** Returns the five interfaces of terminals in one version of WASI. */
export function terminals(abi: Extract<AbiName, `wasi${number}`>, version: '0.2' | '0.3'): readonly Abi[] {
  const nameOf = (what: string): string => `wasi:cli/terminal-${what}@${version}`;
  const input = hostResource(nameOf('input'), 'terminal-input');
  const output = hostResource(nameOf('output'), 'terminal-output');
  return [
    witInterface(abi, nameOf('input'), [dropTerminalInput(input)]),
    witInterface(abi, nameOf('output'), [dropTerminalOutput(output)]),
    witInterface(abi, nameOf('stdin'), [getTerminalStdin(input)]),
    witInterface(abi, nameOf('stdout'), [getTerminalStdout(output)]),
    witInterface(abi, nameOf('stderr'), [getTerminalStderr(output)]),
  ];
}
