/** The smaller tabs of a handler. */
import { Box, Text } from 'ink';
import { EmptyState } from '../components/EmptyState.tsx';
import { FormView } from '../components/FormView.tsx';
import { Lines } from '../components/Lines.tsx';
import { Table } from '../components/Table.tsx';
import { useApp } from '../hooks/use-app.ts';
import type { DangerTab } from '../model/danger-tab.ts';
import type { EnvTab } from '../model/env-tab.ts';
import type { InvocationsTab } from '../model/invocations-tab.ts';
import type { InvokeTab } from '../model/invoke-tab.ts';
import type { LimitsTab } from '../model/limits-tab.ts';
import { limitsLines } from '../text/deployment.ts';
import { formatAgo, formatClock, formatCount, formatDuration } from '../text/format.ts';
import { maskedValue } from '../text/variable.ts';
import { visible } from '../text/visible.ts';

export function EnvView({ tab }: { readonly tab: EnvTab }) {
  const nowMs = Date.now();
  if (tab.form !== null) {
    return (
      <Box flexDirection="column" paddingTop={1}>
        <Text bold>{'   Set a variable'}</Text>
        <Text> </Text>
        <FormView form={tab.form} active />
        <Text> </Text>
        <Text dimColor>{'   It is encrypted at the server and never shown in full again.'}</Text>
      </Box>
    );
  }
  if (tab.loader.data !== null && tab.list.all.length === 0) {
    const { name } = tab.handler;
    return (
      <EmptyState title="No variables" lines={['Press a to add one, or:', '', `  wasmcloud env ${name} set API_KEY`]} />
    );
  }
  const rows = tab.list.window.map(({ item, selected }) => {
    const typed = tab.typed.get(item.key);
    const value = typed !== undefined && tab.revealed && selected ? visible(typed) : maskedValue(item);
    const note = typed === undefined ? '' : tab.revealed && selected ? 'v hides' : 'typed just now, v reveals';
    return { key: item.key, selected, cells: [visible(item.key), value, formatAgo(item.updatedMs, nowMs), note] };
  });
  const columns = [
    { title: 'KEY', shrinkTo: 12 },
    { title: 'VALUE', shrinkTo: 12 },
    { title: 'CHANGED' },
    { title: '', dropAt: 1 },
  ];
  return <Table columns={columns} rows={rows} />;
}

export function LimitsView({ tab }: { readonly tab: LimitsTab }) {
  const app = useApp();
  const { data } = tab.loader;
  if (data === null) {
    if (tab.loader.loadedMs === null) return null;
    return (
      <EmptyState title="Nothing is live" lines={['Limits belong to a deployment:', '', '  git push wasmcloud main']} />
    );
  }
  return <Lines lines={limitsLines(data, app.size.columns - 3).slice(0, app.bodyRows)} />;
}

const invocationColumns = [
  { title: 'TIME' },
  { title: 'STATUS', align: 'right' },
  { title: 'OUTCOME' },
  { title: 'TOOK', align: 'right' },
  { title: 'GAS', align: 'right' },
  { title: 'LOG', align: 'right', dropAt: 2 },
  { title: 'V', dropAt: 3 },
  { title: 'REQUEST', shrinkTo: 12 },
] as const;

export function InvocationsView({ tab }: { readonly tab: InvocationsTab }) {
  if (tab.loader.data !== null && tab.list.all.length === 0) {
    const { name } = tab.handler;
    return (
      <EmptyState title="No invocations yet" lines={['Press 7 to call it, or:', '', `  wasmcloud invoke ${name}`]} />
    );
  }
  const rows = tab.list.window.map(({ item, selected }) => {
    const failed = item.outcome !== 'ok';
    return {
      key: item.id,
      selected,
      cells: [
        formatClock(item.startedMs),
        String(item.status),
        item.outcome,
        formatDuration(item.durationMs),
        formatCount(item.gas),
        String(item.logLines),
        `v${item.deployment}`,
        visible(`${item.method} ${item.path}`),
      ],
      styles: failed ? [undefined, { color: 'red' }, { color: 'red' }] : [],
    };
  });
  return <Table columns={invocationColumns} rows={rows} />;
}

export function InvokeView({ tab }: { readonly tab: InvokeTab }) {
  return (
    <Box flexDirection="column">
      <FormView form={tab.form} active={tab.editing} />
      <Box height={1}>
        <Text bold wrap="truncate">
          {tab.summary === null ? '' : `   → ${tab.summary}`}
        </Text>
        {tab.summary === null ? <Text dimColor>{'   Enter sends, e changes the request'}</Text> : null}
      </Box>
      <Lines lines={tab.scroll.window} />
    </Box>
  );
}

export function DangerView({ tab }: { readonly tab: DangerTab }) {
  const { name } = tab.handler;
  const lines = tab.deleted
    ? [`${name} is deleted. R brings it back; after 30 days it is gone for good.`]
    : [
        `Deleting ${name} stops it at once. Its repository, deployments, log and`,
        'variables are kept for 30 days, in which it can be restored.',
        '',
        tab.form === null ? 'Press D to delete it.' : 'Type its name to delete it:',
      ];
  return (
    <Box flexDirection="column" paddingTop={1}>
      <Text bold color="red">
        {'   Danger zone'}
      </Text>
      <Text> </Text>
      <Lines lines={lines.map((line) => `  ${line}`)} />
      <Text> </Text>
      {tab.form === null ? null : <FormView form={tab.form} active />}
    </Box>
  );
}
