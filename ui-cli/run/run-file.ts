/** Runs `wasmcloud run`: load, run, report. Streams and exit status are the guest's, byte for byte. */
import process from 'node:process';
import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { inliningFlags } from '../../src/guest/kernel/engine-flags.ts';
import { GasSampler } from '../../src/guest/kernel/gas-sampler.ts';
import { runLocally } from '../../src/guest/kernel/local-run.ts';
import { localSchemes } from '../../src/guest/kernel/resources/all.ts';
import { stackLimits } from '../../src/guest/kernel/wasm-stack.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Limits } from '../../src/protocol/limits.ts';
import type { InstancePlan } from '../../src/protocol/module.ts';
import { nameOfLevel } from '../../src/protocol/nouns.ts';
import { writeProfile } from '../exports/profile-file.ts';
import { visible } from '../text/visible.ts';
import { cgiArguments, cgiEnvironment, readBody, type SimulatedRequest } from './cgi.ts';
import { localFiles, type MappedFolder, scratchListing } from './files.ts';
import { PrintedAnswer } from './http.ts';
import { loadModule } from './load.ts';
import { lazyNetwork } from './network.ts';
import { noRules, readPolicyFile } from './policy-file.ts';
import { exitStatusOf, explainEnd, stackOfEnd, statsJson, statsLines } from './report.ts';
import { serve } from './serve.ts';
import { memoryKv, tellingQueues } from './services.ts';
import { BytesSource, StreamSink, StreamSource } from './streams.ts';
import { lineTracer } from './trace.ts';

export interface RunOptions {
  /** Arguments of the guest after its name, which is the file's name as given. */
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly dirs: readonly MappedFolder[];
  readonly policyFile: string | null;
  /** Limits that win over the policy file's and the defaults. */
  readonly limits: Partial<Limits>;
  /** Whether the memory has no reserve, whatever the policy file says. */
  readonly exactMemory: boolean;
  /** Whether the start-up runs first, and the program from its snapshot. */
  readonly snapshot: boolean;
  readonly cgi: SimulatedRequest | null;
  /** Port on which a component answers requests until Ctrl-C, 0 for any free one; null: the file runs once. */
  readonly serve: number | null;
  readonly stats: 'lines' | 'json' | null;
  readonly trace: boolean;
  /**
   * File for the profile of the run's gas: a flame graph if it ends in .svg, else folded stacks; null: none is taken.
   */
  readonly profileFile: string | null;
  readonly listFiles: boolean;
  readonly egressAllow: readonly string[];
  readonly signal: AbortSignal;
}

/** Runs a file; resolves to the exit status. Throws PlatformError when it could not be run at all. */
export async function runFile(file: string, options: RunOptions): Promise<number> {
  const rules = options.policyFile === null ? noRules : await readPolicyFile(options.policyFile);
  const limits = { ...rules.limits, ...options.limits };
  const files = localFiles(options.dirs);
  for (const flag of inliningFlags) setFlagsFromString(flag);
  // Frames that V8 notes of an error, as in a runner.
  Error.stackTraceLimit = stackLimits.frames;
  const tell = (line: string) => void process.stderr.write(`${line}\n`);
  const { env, signal } = options;
  const startUp = { env, files, policy: rules.policy, memoryPages: limits.memoryPages, signal, tell };
  const { module, plan } = await loadModule(file, options.snapshot ? startUp : null);
  checkMemory(plan, limits, file);
  const isHttp = plan.entry.isHttp === true;
  if (options.serve !== null) {
    if (options.profileFile !== null)
      throw new PlatformError('bad_request', 'a profile is of one run, not of a server', {
        hints: [`wasmcloud run --profile ${options.profileFile} --request 'GET /' ${file}`],
      });
    if (!isHttp)
      throw new PlatformError(
        'bad_request',
        `${file} does not answer HTTP requests: it is no component with wasi:http`,
        { hints: [`to call it as a CGI program, once: wasmcloud run --request 'GET /' ${file}`] },
      );
    return serveFile(file, options, { module, plan, limits, rules, files, tell });
  }
  if (isHttp && options.cgi === null)
    throw new PlatformError('bad_request', `${file} answers HTTP requests, and there is none`, {
      hints: [`wasmcloud run --request 'GET /' ${file}, or --serve 8080`],
    });

  const body = options.cgi === null ? null : await readBody(process.stdin, limits.bodyBytes);
  const stdin = body === null ? new StreamSource(() => process.stdin, isatty(0)) : new BytesSource(body);
  const stdout = new StreamSink('stdout', process.stdout);
  const stderr = new StreamSink('stderr', process.stderr);
  const http =
    isHttp && options.cgi !== null
      ? new PrintedAnswer(options.cgi, {
          body: stdin,
          bodyBytes: body?.length ?? 0,
          stdout,
          print: (text) => void process.stdout.write(text, 'latin1'),
        })
      : null;
  const asCgi = isHttp ? null : options.cgi;
  let left: readonly string[] = [];
  const sampler = options.profileFile === null ? null : new GasSampler(plan.imports.length);
  const network = lazyNetwork(options.egressAllow);
  try {
    const result = await runLocally({
      module,
      plan,
      limits,
      policy: rules.policy,
      exactMemory: options.exactMemory || rules.exactMemory,
      args: asCgi === null || options.args.length > 0 ? [file, ...options.args] : cgiArguments(asCgi),
      env: asCgi === null ? options.env : cgiEnvironment(asCgi, body?.length ?? 0, options.env),
      stdin: http === null ? stdin : new BytesSource(new Uint8Array(0)),
      // Standard output of an HTTP component is not part of its answer.
      stdout: http === null ? stdout : stderr,
      stderr,
      schemes: [...localSchemes, ...network.schemes],
      // Prints the lines that `wasmcloud logs` would show on the platform; the end of the run is reported below.
      log: { line: ({ level, text }) => tell(`[${levelName(level)}] ${visible(text)}`) },
      files,
      kv: memoryKv(),
      queues: tellingQueues(tell),
      signal: options.signal,
      ...(http === null ? {} : { http }),
      ended: (guest) => {
        if (options.listFiles) left = scratchListing(guest.filesOpened);
      },
      ...(options.trace ? { tracer: lineTracer(tell) } : {}),
      ...(sampler === null ? {} : { sampler }),
    });
    await stdout.flush();
    await stderr.flush();
    const explained = explainEnd(result.end);
    if (explained !== null) tell(explained);
    for (const line of stackOfEnd(result)) tell(line);
    const isUnanswered = explained === null && http !== null && http.problem !== null;
    if (isUnanswered) tell(`no answer: ${http.problem}`);
    for (const line of left) tell(line);
    if (sampler !== null && options.profileFile !== null)
      for (const line of await writeProfile(options.profileFile, file, sampler.profile)) tell(line);
    if (options.stats === 'lines') for (const line of statsLines(result)) tell(line);
    if (options.stats === 'json') tell(statsJson(result));
    return isUnanswered ? 1 : exitStatusOf(result.end);
  } finally {
    stdin.close();
    network.close();
  }
}

interface Loaded {
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
  readonly limits: Limits;
  readonly rules: Awaited<ReturnType<typeof readPolicyFile>>;
  readonly files: ReturnType<typeof localFiles>;
  readonly tell: (line: string) => void;
}

/** Answers requests until Ctrl-C. Resolves to the exit status of an interrupted run. */
async function serveFile(file: string, options: RunOptions, loaded: Loaded): Promise<number> {
  const { module, plan, limits, rules, files, tell } = loaded;
  const { port, signal } = { port: options.serve ?? 0, signal: options.signal };
  const stderr = new StreamSink('stderr', process.stderr);
  const network = lazyNetwork(options.egressAllow);
  const kv = memoryKv();
  try {
    await serve({
      port,
      signal,
      tell,
      run: async (http, gone) => {
        const { end, guest } = await runLocally({
          module,
          plan,
          limits,
          policy: rules.policy,
          exactMemory: options.exactMemory || rules.exactMemory,
          args: [file, ...options.args],
          env: options.env,
          stdin: new BytesSource(new Uint8Array(0)),
          stdout: stderr,
          stderr,
          schemes: [...localSchemes, ...network.schemes],
          log: { line: ({ level, text }) => tell(`[${levelName(level)}] ${visible(text)}`) },
          files,
          kv,
          queues: tellingQueues(tell),
          signal: gone,
          http,
          ...(options.trace ? { tracer: lineTracer(tell) } : {}),
        });
        const explained = end.kind === 'aborted' ? null : explainEnd(end);
        if (explained !== null) tell(explained);
        for (const line of stackOfEnd({ end, guest })) tell(line);
        return explained ?? 'the component returned without an answer, or without the end of its body';
      },
    });
  } finally {
    network.close();
  }
  return exitStatusOf({ kind: 'aborted', message: 'interrupted' });
}

/** Throws as a push does: a guest whose initial memory is above the limit could never run. */
function checkMemory(plan: InstancePlan, limits: Limits, file: string): void {
  const needed = plan.memory?.initialPages ?? 0;
  if (needed > limits.memoryPages)
    throw new PlatformError(
      'limit_exceeded',
      `${file} starts with ${needed} pages of memory, ${limits.memoryPages} are allowed`,
      { hints: [`allow more: --memory-pages ${needed}`] },
    );
}

function levelName(level: number): string {
  return nameOfLevel(level) ?? `level ${level}`;
}
