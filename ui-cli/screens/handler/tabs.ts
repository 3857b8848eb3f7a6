/** Each tab of a handler: its screen and the component that draws it. A name without a page is a type error. */
import { type Page, page } from '../../frame/page.ts';
import { CallsView } from '../calls/CallsView.tsx';
import { CallsTab } from '../calls/calls-tab.ts';
import { DangerView } from '../danger/DangerView.tsx';
import { DangerTab } from '../danger/danger-tab.ts';
import { DeploymentsView } from '../deployments/DeploymentsView.tsx';
import { DeploymentsTab } from '../deployments/deployments-tab.ts';
import { DrainsView } from '../drains/DrainsView.tsx';
import { DrainsTab } from '../drains/drains-tab.ts';
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
import { PreviewsView } from '../previews/PreviewsView.tsx';
import { PreviewsTab } from '../previews/previews-tab.ts';
import { ProfileView } from '../profile/ProfileView.tsx';
import { ProfileTab } from '../profile/profile-tab.ts';
import { handlerAudit } from '../records/places.ts';
import { RecordsView } from '../records/RecordsView.tsx';
import { RecordsScreen } from '../records/records-screen.ts';
import { ReleaseView } from '../release/ReleaseView.tsx';
import { ReleaseTab } from '../release/release-tab.ts';
import { SchedulesView } from '../schedules/SchedulesView.tsx';
import { SchedulesTab } from '../schedules/schedules-tab.ts';
import { TeamView } from '../team/TeamView.tsx';
import { TeamTab } from '../team/team-tab.ts';
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
  release: (handler) => page(new ReleaseTab(handler), ReleaseView),
  previews: (handler) => page(previewsTab(handler), PreviewsView),
  schedules: (handler) => page(new SchedulesTab(handler), SchedulesView),
  calls: (handler) => page(new CallsTab(handler), CallsView),
  team: (handler) => page(new TeamTab(handler), TeamView),
  audit: (handler) => page(new RecordsScreen(handler.app, handlerAudit(handler.app, handler.name)), RecordsView),
  profile: (handler) => page(new ProfileTab(handler), ProfileView),
  drains: (handler) => page(new DrainsTab(handler), DrainsView),
};

/** Makes the tab of previews, which opens tabs of the handler for one preview. */
function previewsTab(handler: HandlerContext): PreviewsTab {
  const { app } = handler;
  return new PreviewsTab(handler, {
    deployments: (preview) => app.open(page(new DeploymentsTab(handler, preview), DeploymentsView)),
    env: (preview) => app.open(page(new EnvTab(handler, preview), EnvView)),
    logs: (preview) => app.open(page(new LogTab(handler, preview), LogView)),
  });
}
