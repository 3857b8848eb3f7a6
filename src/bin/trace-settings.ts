/**
 * Reads the usual variables of OpenTelemetry that its exporter does not read itself
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
 */
import { PlatformError } from '../protocol/errors.ts';
import type { TraceSampling } from '../protocol/spans.ts';
import { bad, type Environment } from './config-values.ts';

/** Which Invocations are traced, and as whose. */
export interface TraceSettings {
  readonly sampling: TraceSampling;
  /** Attributes of the platform in each batch of spans. */
  readonly resource: Readonly<Record<string, string>>;
}

/**
 * Returns which Invocations are traced; null where there is no receiver, or where traces are turned off. Throws
 * PlatformError for a value that asks for what cannot be done.
 */
export function traceSettings(env: Environment): TraceSettings | null {
  if (!hasTraces(env)) return null;
  for (const check of traceChecks) check(env);
  const name = env.OTEL_SERVICE_NAME ?? '';
  return {
    sampling: traceSampling(env),
    resource: {
      'service.name': 'trisiel',
      ...resourceAttributes(env),
      ...(name === '' ? {} : { 'service.name': name }),
    },
  };
}

/** Returns whether traces are sent. Throws `bad_request` for another exporter than `otlp` and `none`. */
export function hasTraces(env: Environment): boolean {
  const exporter = env.OTEL_TRACES_EXPORTER ?? '';
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || exporter === 'none') return false;
  if (exporter !== '' && exporter !== 'otlp') throw bad('OTEL_TRACES_EXPORTER', exporter, 'otlp or none');
  const urls = [env.OTEL_EXPORTER_OTLP_ENDPOINT, env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT];
  return exporter !== '' || urls.some((url) => (url ?? '') !== '');
}

/** Checks of single variables of traces: each throws PlatformError for a value that cannot be used. */
export const traceChecks: readonly ((env: Environment) => unknown)[] = [
  (env) => receiverUrl(env, 'OTEL_EXPORTER_OTLP_ENDPOINT'),
  (env) => receiverUrl(env, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'),
  (env) => protocol(env, 'OTEL_EXPORTER_OTLP_PROTOCOL'),
  (env) => protocol(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'),
  traceSampling,
];

function protocol(env: Environment, name: string): void {
  const value = env[name] ?? '';
  if (!['', 'http/json', 'http/protobuf'].includes(value)) throw bad(name, value, 'http/json');
}

function receiverUrl(env: Environment, name: string): void {
  const value = env[name] ?? '';
  if (value === '') return;
  // The value is not repeated: it may hold a password.
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol))
    throw new PlatformError('bad_request', `${name} is not an http or https URL such as http://127.0.0.1:4318`);
}

function traceSampling(env: Environment): TraceSampling {
  const names = ['always_on', 'always_off', 'traceidratio'] as const;
  const all = [...names, ...names.map((name) => `parentbased_${name}` as const)] as const;
  const value = env.OTEL_TRACES_SAMPLER ?? '';
  const sampler = value === '' ? 'parentbased_always_on' : all.find((name) => name === value);
  if (sampler === undefined) throw bad('OTEL_TRACES_SAMPLER', value, `one of ${all.join(', ')}`);
  const isParentBased = sampler.startsWith('parentbased_');
  if (!sampler.endsWith('traceidratio')) return { isParentBased, ratio: sampler.endsWith('always_on') ? 1 : 0 };
  const argument = env.OTEL_TRACES_SAMPLER_ARG ?? '';
  const ratio = argument === '' ? 1 : Number(argument);
  if (!(ratio >= 0 && ratio <= 1)) throw bad('OTEL_TRACES_SAMPLER_ARG', argument, 'a number from 0 to 1');
  return { isParentBased, ratio };
}

/** Reads `key=value,key=value`, percent-encoded. What is no such pair is left out, as the specification says. */
function resourceAttributes(env: Environment): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  for (const pair of (env.OTEL_RESOURCE_ATTRIBUTES ?? '').split(',')) {
    const [, key, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    if (key === undefined || value === undefined) continue;
    try {
      attributes[decodeURIComponent(key)] = decodeURIComponent(value);
    } catch {
      // A percent sign that begins no octet.
    }
  }
  return attributes;
}
