/** What the HttpAnswer of a call asks about the call. */
import type { Resource } from '../guest/kernel/resource.ts';
import type { CgiOutput } from './cgi-output.ts';
import type { FunctionCall } from './function-call.ts';
import type { HttpAnswerOptions } from './http-answer.ts';
import type { LoadedDeployment } from './loaded-deployments.ts';
import type { RunnerServices } from './services.ts';

/** Finds out who the client is when that is asked: few guests ask. */
export class AnswerOptions implements HttpAnswerOptions {
  readonly call: FunctionCall;
  readonly body: Resource;
  readonly output: CgiOutput;
  readonly #services: RunnerServices;
  readonly #deployment: LoadedDeployment;

  constructor(
    services: RunnerServices,
    deployment: LoadedDeployment,
    call: FunctionCall,
    { body, output }: Pick<HttpAnswerOptions, 'body' | 'output'>,
  ) {
    this.call = call;
    this.body = body;
    this.output = output;
    this.#services = services;
    this.#deployment = deployment;
  }

  /** Returns the scheme that the client used, as control, a trusted proxy or else our own socket tells it. */
  get scheme(): 'http' | 'https' {
    const { request, trigger } = this.call;
    // Scheme of the caller, when control calls on behalf of one.
    const told = trigger?.env.REQUEST_SCHEME;
    if (told === 'https' || told === 'http') return told;
    const { proxies, isHttps } = this.#services;
    const { scheme } = proxies.clientOf(request.socket.remoteAddress, request.headers);
    return scheme ?? (isHttps ? 'https' : 'http');
  }

  get isProxied(): boolean {
    return this.#services.proxies.trusts(this.call.request.socket.remoteAddress ?? '');
  }

  get passAuthorization(): boolean {
    return this.#deployment.spec.passAuthorization;
  }
}
