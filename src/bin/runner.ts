/**
 * The runner process: control starts it with a channel. Arguments: descriptors of the mark file and, if there is one,
 * of the file for log lines that no control takes.
 */
import { setFlagsFromString } from 'node:v8';
import { inliningFlags } from '../guest/kernel/engine-flags.ts';
import { stackLimits } from '../guest/kernel/wasm-stack.ts';
import { Runner } from '../runner/runner.ts';

// Makes WebAssembly.compile compile all code: a guest that compiles slowly does so before the switch, not in its first
// request. As a flag of the process it would hold for Node's own modules too, and cost 0.2 s at every start.
setFlagsFromString('--no-wasm-lazy-compilation');
// For the stacks in records of failed Invocations; V8 keeps 10 frames by itself.
Error.stackTraceLimit = stackLimits.frames;
for (const flag of inliningFlags) setFlagsFromString(flag);

const report = (event: string, facts: Readonly<Record<string, unknown>> = {}): void => {
  process.stderr.write(`${JSON.stringify({ time: Date.now(), runner: process.pid, msg: event, ...facts })}\n`);
};
// Control may die, which closes the reading end of standard error.
process.stderr.on('error', () => {});

if (process.send === undefined) {
  process.stderr.write('runner: started by control only\n');
  process.exit(1);
}
const [, , descriptor, spool] = process.argv;
const runner = new Runner({
  channel: process,
  pid: process.pid,
  markDescriptor: descriptor === undefined ? null : Number(descriptor),
  spoolDescriptor: spool === undefined ? null : Number(spool),
  report,
  exit: (status) => process.exit(status),
});

process.on('SIGTERM', () => runner.signalled());
process.on('SIGINT', () => runner.signalled());
process.on('uncaughtException', (error) => {
  report('uncaught', { error: error.stack ?? String(error) });
  process.exit(70);
});
process.on('unhandledRejection', (reason) => {
  report('unhandled rejection', { error: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason) });
});
