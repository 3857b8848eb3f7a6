/** A deployment and its limits in words. Pure. */
import type { DeploymentView } from '../../src/protocol/nouns.ts';
import { formatBytes, formatDate, formatDuration } from '../text/format.ts';
import { facts } from '../text/table.ts';
import { visible } from '../text/visible.ts';
import { wrap } from '../text/width.ts';

/** Six rows and a line above them. */
export function deploymentDetail(deployment: DeploymentView, width: number): string[] {
  const { moduleSha256, failure } = deployment;
  return [
    '─'.repeat(Math.max(0, width)),
    ...facts([
      ['commit', `${deployment.commit} (${visible(deployment.ref)})`],
      ['pushed', `${formatDate(deployment.createdMs)} by ${visible(deployment.pushedBy)}`],
      ['module', `${visible(deployment.modulePath)}, ${formatBytes(deployment.moduleBytes)}`],
      ['sha256', moduleSha256],
      ['vetted', `in ${formatDuration(deployment.vetMs)}`],
      failure === null
        ? [
            'limits',
            limitFacts(deployment)
              .map(([name, value]) => `${name} ${value}`)
              .join(', '),
          ]
        : ['failed', visible(failure)],
    ]),
  ];
}

export function limitFacts({ limits }: Pick<DeploymentView, 'limits'>): (readonly [string, string])[] {
  return [
    ['memory', `${formatBytes(limits.memoryPages * 65_536)} (${limits.memoryPages} pages)`],
    ['gas', limits.gas.toLocaleString('en')],
    ['time', formatDuration(limits.timeoutMs)],
    ['body', formatBytes(limits.bodyBytes)],
  ];
}

/** What the limits tab says. */
export function limitsLines(deployment: DeploymentView, width: number): string[] {
  const { policy } = deployment;
  const rules = (patterns: readonly string[]) =>
    patterns.length === 0 ? ['  (none)'] : patterns.map((p) => `  ${visible(p)}`);
  return [
    `Limits of v${deployment.number}, for each invocation`,
    '',
    ...facts(limitFacts(deployment)).map((line) => `  ${line}`),
    '',
    ...(policy === null
      ? ['No policy: functions may open whatever the platform allows.']
      : [
          'Policy: disallow beats allow, what matches nothing is denied.',
          '',
          'allow',
          ...rules(policy.allow),
          'disallow',
          ...rules(policy.disallow),
        ]),
    '',
    'They come from wasmcloud.toml in the pushed commit, [limits] and [policy]; push to change them.',
  ].flatMap((line) => wrap(line, width));
}
