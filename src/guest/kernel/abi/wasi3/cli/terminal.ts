/** wasi:cli/terminal-*: tells whether a standard stream is a terminal, which is possible for `wasmcloud run` only. */
import { func, hostResource, option, own } from '../../../../component/wit.ts';
import { dropRow, witInterface, witRow } from '../../../canonical/row.ts';
import type { Process } from '../../../process.ts';
import type { Resource } from '../../../resource.ts';
import { HostObject } from '../../wasi2/host-object.ts';

const inputName = 'wasi:cli/terminal-input@0.3';
const outputName = 'wasi:cli/terminal-output@0.3';
const inputResource = hostResource(inputName, 'terminal-input');
const outputResource = hostResource(outputName, 'terminal-output');

/** Stands for a terminal. It has no functions. */
class Terminal extends HostObject {
  readonly what = 'terminal';
}

function terminalOf(stream: Resource): Terminal | null {
  return stream.device === 'terminal' ? new Terminal() : null;
}

/** Returns the terminal of standard input; none if it is no terminal. */
const getTerminalStdin = witRow('get-terminal-stdin', func({}, option(own(inputResource))), (guest: Process) =>
  terminalOf(guest.options.stdin),
);

/** Returns the terminal of standard output; none if it is no terminal. */
const getTerminalStdout = witRow('get-terminal-stdout', func({}, option(own(outputResource))), (guest: Process) =>
  terminalOf(guest.options.stdout),
);

/** Returns the terminal of standard error; none if it is no terminal. */
const getTerminalStderr = witRow('get-terminal-stderr', func({}, option(own(outputResource))), (guest: Process) =>
  terminalOf(guest.options.stderr),
);

/** Drops a terminal-input. */
const dropTerminalInput = dropRow(inputResource);

/** Drops a terminal-output. */
const dropTerminalOutput = dropRow(outputResource);

export const terminalInput = witInterface('wasi3', inputName, [dropTerminalInput]);
export const terminalOutput = witInterface('wasi3', outputName, [dropTerminalOutput]);
export const terminalStdin = witInterface('wasi3', 'wasi:cli/terminal-stdin@0.3', [getTerminalStdin]);
export const terminalStdout = witInterface('wasi3', 'wasi:cli/terminal-stdout@0.3', [getTerminalStdout]);
export const terminalStderr = witInterface('wasi3', 'wasi:cli/terminal-stderr@0.3', [getTerminalStderr]);
