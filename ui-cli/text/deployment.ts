/** Formats Deployments. */
import { newCapabilities } from '../../src/protocol/capabilities.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import { type HandlerSettings, policyLists } from '../../src/protocol/nouns.ts';
import type { DeploymentView, PreviewView } from '../../src/protocol/views.ts';
import { formatAgo, formatBytes, formatDate, formatDuration } from './format.ts';
import { settingsLines } from './settings.ts';
import { facts, table } from './table.ts';
import { visible } from './visible.ts';
import { cut, wrap } from './width.ts';

export interface RollbackPreview {
  /** Text of the change: swift-otter: v5 -> v3 */
  readonly change: string;
  /** Number of the live Deployment; null: none. */
  readonly from: number | null;
  readonly lines: readonly string[];
}

/**
 * Returns the effect of a rollback of a handler, or of its preview of `branch`. `live`: number of the handler's live
 * Deployment, which tells it from the new version of a gradual release: both are in state `live`. Throws when the
 * rollback makes no sense, and names one that does.
 */
export function previewRollback(
  name: string,
  all: readonly DeploymentView[],
  version: number,
  { branch = null, live }: { readonly branch?: string | null; readonly live: number | null },
): RollbackPreview {
  const deployments = all.filter(({ preview }) => preview === branch);
  const to = deployments.find((deployment) => deployment.number === version);
  const served = deployments.filter(({ state }) => state === 'live');
  const from = served.find(({ number }) => number === live) ?? served[0] ?? null;
  const possible = deployments.filter((deployment) => deployment.state === 'retired').map(({ number }) => `v${number}`);
  const hints = [
    possible.length > 0 ? `can be served again: ${possible.join(', ')}` : 'there is no earlier deployment to serve',
  ];
  const other = all.find((deployment) => deployment.number === version);
  if (to === undefined && other !== undefined)
    throw new PlatformError(
      'conflict',
      `v${version} is of ${other.preview === null ? name : `the preview of ${visible(other.preview)}`}`,
      {
        hints: [
          `wasmcloud rollback ${name} v${version}${other.preview === null ? '' : ` --branch ${visible(other.preview)}`}`,
        ],
      },
    );
  if (to === undefined) throw new PlatformError('not_found', `${name} has no deployment v${version}`, { hints });
  if (to.state === 'live' && to !== from)
    throw new PlatformError('conflict', `v${version} gets a share of the calls already`, {
      hints: [`to give it all calls: wasmcloud release ${name} --finish`],
    });
  if (to.state === 'live') throw new PlatformError('conflict', `v${version} is live already`, { hints });
  if (to.state !== 'retired') {
    throw new PlatformError('conflict', `v${version} never went live (${to.state}), so it cannot be served`, { hints });
  }
  const change = `${name}: ${from === null ? 'nothing' : `v${from.number}`} -> v${version}`;
  const describe = (deployment: DeploymentView) =>
    `  v${deployment.number}  ${deployment.commit.slice(0, 7)}  ${visible(deployment.modulePath)}  ${formatBytes(deployment.moduleBytes)}`;
  return {
    change,
    from: from?.number ?? null,
    lines: [
      change,
      ...(from === null ? [] : [`${describe(from)}  (live now)`]),
      describe(to),
      ...(from === null ? [] : newCapabilities(from, to).map((text) => `  ${visible(text)}`)),
    ],
  };
}

/** Cells of a commit's subject in a table. */
const subjectCells = 50;

/** Lines below a version that say what it may do and the one before may not; further ones are counted. */
const newlyLines = 3;

/** Returns the cells VERSION, STATE, COMMIT, WHEN, BY, SIZE, ABI, MODULE (or the reason of a failure), SUBJECT. */
export function deploymentCells(deployment: DeploymentView, nowMs: number): string[] {
  return [
    `v${deployment.number}`,
    deployment.state,
    deployment.commit.slice(0, 7),
    formatAgo(deployment.createdMs, nowMs),
    visible(deployment.pushedBy),
    formatBytes(deployment.moduleBytes),
    deployment.abis.join(' '),
    visible(
      deployment.failure ??
        (deployment.preview === null ? deployment.modulePath : `${deployment.modulePath} (${deployment.preview})`),
    ),
    cut(visible(deployment.subject ?? ''), subjectCells),
  ];
}

/** Returns a table of versions; below each one what it may do that the version before may not. */
export function deploymentTable(deployments: readonly DeploymentView[], nowMs: number): string[] {
  const rows = deployments.map((deployment) => deploymentCells(deployment, nowMs));
  const size = { title: 'SIZE', align: 'right' } as const;
  const titles = ['VERSION', 'STATE', 'COMMIT', 'WHEN', 'BY'].map((title) => ({ title }));
  const [head = '', ...lines] = table(
    [...titles, size, ...['ABI', 'MODULE', 'SUBJECT'].map((title) => ({ title }))],
    rows,
  );
  return [
    head,
    ...deployments.flatMap(({ newlyAllowed }, at) => [lines[at] ?? '', ...newlyAllowedLines(newlyAllowed)]),
  ];
}

function newlyAllowedLines(all: readonly string[]): readonly string[] {
  const more = all.length - newlyLines;
  return [...all.slice(0, newlyLines), ...(more > 0 ? [`and ${more} more`] : [])].map((text) => `  ${visible(text)}`);
}

/** Returns a table of BRANCH, VERSION, COMMIT, PUSHED, CALLED, ENDS, URL. */
export function previewTable(previews: readonly PreviewView[], nowMs: number): string[] {
  const titles = ['BRANCH', 'PREVIEW', 'VERSION', 'COMMIT', 'PUSHED', 'CALLED', 'ENDS', 'URL'].map((title) => ({
    title,
  }));
  return table(
    titles,
    previews.map((one) => [
      visible(one.branch),
      one.slug,
      `v${one.version}`,
      one.commit.slice(0, 7),
      formatAgo(one.pushedMs, nowMs),
      one.calledMs === null ? 'never' : formatAgo(one.calledMs, nowMs),
      formatDate(one.endsMs),
      one.url,
    ]),
  );
}

/** Returns eight rows about a Deployment, with a line above them. */
export function deploymentDetail(deployment: DeploymentView, width: number): string[] {
  const { moduleSha256, failure, author, subject, newlyAllowed } = deployment;
  return [
    '─'.repeat(Math.max(0, width)),
    ...facts([
      ['commit', `${deployment.commit} (${visible(deployment.ref)})`],
      ['subject', `${visible(subject ?? '')}${author === null ? '' : ` (by ${visible(author)})`}`],
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
      ['newly', newlyAllowed.length === 0 ? 'nothing' : visible(newlyAllowed.join(', '))],
    ]),
  ];
}

function limitFacts({ limits }: Pick<DeploymentView, 'limits'>): (readonly [string, string])[] {
  return [
    ['memory', `${formatBytes(limits.memoryPages * 65_536)} (${limits.memoryPages} pages)`],
    ['gas', limits.gas.toLocaleString('en')],
    ['time', formatDuration(limits.timeoutMs)],
    ['body', formatBytes(limits.bodyBytes)],
  ];
}

/** Returns the lines of the limits tab. `settings`: what is set without a push; null: not known yet. */
export function limitsLines(deployment: DeploymentView, settings: HandlerSettings | null, width: number): string[] {
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
          ...policyLists.flatMap((list) => [list, ...rules(policy[list])]),
        ]),
    '',
    'They come from wasmcloud.toml in the pushed commit, [limits] and [policy].',
    ...(settings === null ? [] : ['', 'Over them:', ...settingsLines(settings).map((line) => `  ${line}`)]),
  ].flatMap((line) => wrap(line, width));
}
