import { Box } from 'ink';
import { Tabs } from '../components/Tabs.tsx';
import { DangerTab } from '../model/danger-tab.ts';
import { DeploymentsTab } from '../model/deployments-tab.ts';
import { EnvTab } from '../model/env-tab.ts';
import type { HandlerScreen } from '../model/handler-screen.ts';
import { InvocationsTab } from '../model/invocations-tab.ts';
import { InvokeTab } from '../model/invoke-tab.ts';
import { LimitsTab } from '../model/limits-tab.ts';
import { LogTab } from '../model/log-tab.ts';
import { OverviewTab } from '../model/overview-tab.ts';
import type { Screen } from '../model/screen.ts';
import { DeploymentsView } from './DeploymentsView.tsx';
import { LogView } from './LogView.tsx';
import { OverviewView } from './OverviewView.tsx';
import { DangerView, EnvView, InvocationsView, InvokeView, LimitsView } from './TabViews.tsx';

export function HandlerTabsView({ screen }: { readonly screen: HandlerScreen }) {
  return (
    <Box flexDirection="column">
      <Tabs open={screen.tabName} />
      <Tab tab={screen.tab} />
    </Box>
  );
}

function Tab({ tab }: { readonly tab: Screen }) {
  if (tab instanceof OverviewTab) return <OverviewView tab={tab} />;
  if (tab instanceof LogTab) return <LogView tab={tab} />;
  if (tab instanceof DeploymentsTab) return <DeploymentsView tab={tab} />;
  if (tab instanceof EnvTab) return <EnvView tab={tab} />;
  if (tab instanceof LimitsTab) return <LimitsView tab={tab} />;
  if (tab instanceof InvocationsTab) return <InvocationsView tab={tab} />;
  if (tab instanceof InvokeTab) return <InvokeView tab={tab} />;
  if (tab instanceof DangerTab) return <DangerView tab={tab} />;
  return null;
}
