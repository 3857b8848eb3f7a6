/**
 * A runner whose control has died goes on serving. It asks whether another control of the same data
 * folder is ready, and ends when there is one, or after its lifetime.
 */
import { get } from 'node:http';
import { makeProbe, runnerProbe } from '../protocol/runner-probe.ts';
import { orphanLimits } from './limits.ts';

export interface OrphanOptions {
  readonly platformId: string;
  readonly probeKey: string;
  /** Of the control that has died. */
  readonly controlBootId: string;
  readonly controlUrl: string;
  /** `http://host:port` of the functions' port, which new runners share with this one. */
  readonly runnersUrl: string;
}

/** Resolves when this runner is not needed any more: why. */
export async function replaced(options: OrphanOptions): Promise<string> {
  const endMs = performance.now() + orphanLimits.lifetimeMs;
  while (performance.now() < endMs) {
    // A ready control has runners that serve; so does the port itself, if one of them answers there.
    const control = await ask(`${options.controlUrl}/readyz`);
    if (control?.ready === true && isSuccessor(control, options)) return 'a new control is ready';
    const runner = await ask(`${options.runnersUrl}${runnerProbe.path}`, options.probeKey);
    if (runner !== null && isSuccessor(runner, options)) return 'a runner of a new control answers';
    await new Promise((resolve) => setTimeout(resolve, orphanLimits.askMs));
  }
  return 'nobody has taken over in its lifetime';
}

function isSuccessor(answer: Readonly<Record<string, unknown>>, options: OrphanOptions): boolean {
  return (
    answer.platformId === options.platformId &&
    typeof answer.bootId === 'string' &&
    answer.bootId !== options.controlBootId
  );
}

const answerBytesMax = 4096;

/**
 * The JSON object at `url`, or null for anything else, and for an answer that does not prove to hold `probeKey`. A new
 * connection each time: the port has many owners.
 */
function ask(url: string, probeKey?: string): Promise<Readonly<Record<string, unknown>> | null> {
  const probe = probeKey === undefined ? null : makeProbe(probeKey);
  const headers = probe === null ? {} : { [runnerProbe.askField]: probe.field };
  return new Promise((resolve) => {
    const request = get(url, { agent: false, headers, timeout: orphanLimits.askTimeoutMs }, (response) => {
      if (probe !== null && !probe.isAnsweredBy(String(response.headers[runnerProbe.proofField]))) {
        request.destroy();
        resolve(null);
        return;
      }
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > answerBytesMax) request.destroy();
      });
      response.on('close', () => resolve(parse(text)));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(null));
  });
}

function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
