/** Each tab of a handler: its screen and the component that draws it. A name without a page is a type error. */
import { type Page, page } from '../../frame/page.ts';
import { DangerView } from '../danger/DangerView.tsx';
import { DangerTab } from '../danger/danger-tab.ts';
import { DeploymentsView } from '../deployments/DeploymentsView.tsx';
import { DeploymentsTab } from '../deployments/deployments-tab.ts';
import { EnvView } from '../env/EnvView.tsx';
import { EnvTab } from '../env/env-tab.ts';
import { InvocationsView } from '../invocations/InvocationsView.tsx';
import { InvocationsTab } from '../invocations/invocations-tab.ts';
import { InvokeView } from '../invoke/InvokeView.tsx';
import { InvokeTab } from '../invoke/invoke-tab.ts';
import { LimitsView } from '../limits/LimitsView.tsx';
import { LimitsTab } from '../limits/limits-tab.ts';
import { LogView } from '../logs/LogView.tsx';
import { LogTab } from '../logs/log-tab.ts';
import { OverviewView } from '../overview/OverviewView.tsx';
import { OverviewTab } from '../overview/overview-tab.ts';
import type { HandlerContext, TabName } from './tab.ts';

export const tabs: Readonly<Record<TabName, (handler: HandlerContext) => Page>> = {
  overview: (handler) => page(new OverviewTab(handler), OverviewView),
  logs: (handler) => page(new LogTab(handler), LogView),
  deployments: (handler) => page(new DeploymentsTab(handler), DeploymentsView),
  env: (handler) => page(new EnvTab(handler), EnvView),
  limits: (handler) => page(new LimitsTab(handler), LimitsView),
  invocations: (handler) => page(new InvocationsTab(handler), InvocationsView),
  invoke: (handler) => page(new InvokeTab(handler), InvokeView),
  danger: (handler) => page(new DangerTab(handler), DangerView),
};
