/** Which screen leads to which. The only place that knows them all. */
import type { App } from './app.ts';
import { CreateScreen } from './create-screen.ts';
import { DangerTab } from './danger-tab.ts';
import { DeploymentsTab } from './deployments-tab.ts';
import { EnvTab } from './env-tab.ts';
import { HandlerScreen, isTabName, type TabName, tabNames } from './handler-screen.ts';
import { HandlersScreen } from './handlers-screen.ts';
import { InvocationScreen } from './invocation-screen.ts';
import { InvocationsTab } from './invocations-tab.ts';
import { InvokeTab } from './invoke-tab.ts';
import { LimitsTab } from './limits-tab.ts';
import { LogTab } from './log-tab.ts';
import { LoginScreen } from './login-screen.ts';
import type { Jump } from './overlay.ts';
import { OverviewTab } from './overview-tab.ts';
import { RunScreen } from './run-screen.ts';
import type { Screen } from './screen.ts';

/** Joins the screens and opens the app, at a handler if one is named. */
export function startScreens(app: App, { handler, tab }: { readonly handler?: string; readonly tab?: TabName }): void {
  const handlers = new HandlersScreen(app, {
    handler: (name, at) => app.open(handlerScreen(app, name, at)),
    create: () => app.open(createScreen(app)),
    run: () => app.open(new RunScreen(app)),
    logOut: () => askLogOut(app),
  });
  app.login = () => new LoginScreen(app);
  app.jumps = () => jumps(app, handlers);
  app.start(handler === undefined ? [handlers] : [handlers, handlerScreen(app, handler, tab)]);
}

function handlerScreen(app: App, name: string, tab: string | undefined): HandlerScreen {
  return new HandlerScreen(app, { name, tab: tab !== undefined && isTabName(tab) ? tab : 'overview', makeTab });
}

function createScreen(app: App): CreateScreen {
  return new CreateScreen(app, (name) => app.jump([handlerScreen(app, name, 'overview')]));
}

function makeTab(app: App, handler: HandlerScreen, tab: TabName): Screen {
  const openInvocation = (id: string) => app.open(new InvocationScreen(app, handler.name, id));
  switch (tab) {
    case 'overview':
      return new OverviewTab(app, handler);
    case 'logs':
      return new LogTab(app, handler, openInvocation);
    case 'deployments':
      return new DeploymentsTab(app, handler);
    case 'env':
      return new EnvTab(app, handler);
    case 'limits':
      return new LimitsTab(app, handler);
    case 'invocations':
      return new InvocationsTab(app, handler, openInvocation);
    case 'invoke':
      return new InvokeTab(app, handler);
    case 'danger':
      return new DangerTab(app, handler);
  }
}

function jumps(app: App, handlers: HandlersScreen): readonly Jump[] {
  const places: Jump[] = [
    { name: 'handlers', help: 'all handlers', go: () => app.jump([]) },
    { name: 'create', help: 'a new handler', go: () => app.jump([createScreen(app)]) },
    { name: 'run', help: 'run a local file', go: () => app.jump([new RunScreen(app)]) },
    { name: 'logout', help: 'log out', go: () => askLogOut(app) },
    { name: 'quit', help: 'leave', go: () => app.options.exit() },
  ];
  const named = handlers.list.all.filter((handler) => handler.state !== 'deleted');
  return [
    ...places,
    ...named.map(({ name, state }) => ({
      name,
      help: state,
      go: () => app.jump([handlerScreen(app, name, 'overview')]),
    })),
    ...named.flatMap(({ name }) =>
      tabNames.slice(1).map((tab) => ({
        name: `${name} ${tab}`,
        help: `its ${tab}`,
        go: () => app.jump([handlerScreen(app, name, tab)]),
      })),
    ),
  ];
}

function askLogOut(app: App): void {
  if (app.session.tokenFrom === 'environment') {
    app.say('error', 'logged in through WASMCLOUD_TOKEN: unset it to log out');
    return;
  }
  app.ask({
    kind: 'confirm',
    title: 'Log out?',
    lines: [`git push to ${app.session.server} will ask for a login again.`],
    verb: 'log out',
    run: () =>
      void app.run(
        'logging out',
        () => app.options.forgetLogin().then(() => app.loggedOut()),
        (e) => [e.message],
      ),
  });
}
