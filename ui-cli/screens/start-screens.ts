/** Connects the screens: which screen opens which. No other file knows all screens. */
import type { HandlerView as HandlerInfo, QueueMessageView } from '../../src/protocol/views.ts';
import type { App } from '../frame/app.ts';
import type { Jump } from '../frame/overlay.ts';
import { type Page, page } from '../frame/page.ts';
import { CreateView } from './create/CreateView.tsx';
import { CreateScreen } from './create/create-screen.ts';
import { HandlerView } from './handler/HandlerView.tsx';
import { HandlerScreen } from './handler/handler-screen.ts';
import { type TabName, tabNames } from './handler/tab.ts';
import { HandlersView } from './handlers/HandlersView.tsx';
import { HandlersScreen } from './handlers/handlers-screen.ts';
import { InvocationView } from './invocation/InvocationView.tsx';
import { InvocationScreen } from './invocation/invocation-screen.ts';
import { LoginView } from './login/LoginView.tsx';
import { LoginScreen } from './login/login-screen.ts';
import { MessageView } from './message/MessageView.tsx';
import { MessageScreen } from './message/message-screen.ts';
import { QueueView } from './queue/QueueView.tsx';
import { QueueScreen } from './queue/queue-screen.ts';
import { QueuesView } from './queues/QueuesView.tsx';
import { QueuesScreen } from './queues/queues-screen.ts';
import { QuotaView } from './quota/QuotaView.tsx';
import { QuotaScreen } from './quota/quota-screen.ts';
import { accountPlaces, handlerPlaces, type Place } from './records/places.ts';
import { RecordsView } from './records/RecordsView.tsx';
import { RecordsScreen } from './records/records-screen.ts';
import { RunView } from './run/RunView.tsx';
import { RunScreen } from './run/run-screen.ts';
import { TokensView } from './tokens/TokensView.tsx';
import { TokensScreen } from './tokens/tokens-screen.ts';
import { TransfersView } from './transfers/TransfersView.tsx';
import { TransfersScreen } from './transfers/transfers-screen.ts';
import { UsersView } from './users/UsersView.tsx';
import { UsersScreen } from './users/users-screen.ts';

/** Opens the app with its screens, at a handler if one is named. */
export function startScreens(app: App, { handler, tab }: { readonly handler?: string; readonly tab?: TabName }): void {
  const handlers = new HandlersScreen(app, {
    handler: (name, at) => app.open(handlerPage(app, name, at)),
    create: () => app.open(createPage(app)),
    run: () => app.open(runPage(app)),
    quota: () => app.open(quotaPage(app)),
    queues: () => app.open(queuesPage(app)),
    logOut: () => askLogOut(app),
  });
  const first = page(handlers, HandlersView);
  // Each letter asks for the places, and of 10,000 handlers there are 150,000: they are made once for a loaded list.
  let made: { readonly of: readonly HandlerInfo[]; readonly jumps: readonly Jump[] } | null = null;
  const jumpsNow = () => {
    const { all } = handlers.list;
    if (made?.of !== all) made = { of: all, jumps: jumps(app, all) };
    return made.jumps;
  };
  app.start(handler === undefined ? [first] : [first, handlerPage(app, handler, tab)], {
    login: () => page(new LoginScreen(app), LoginView),
    jumps: jumpsNow,
  });
}

function handlerPage(app: App, name: string, tab: TabName = 'overview'): Page {
  const openInvocation = (id: string) => app.open(page(new InvocationScreen(app, name, id), InvocationView));
  const openRenamed = (to: string) => app.jump([handlerPage(app, to, 'danger')]);
  return page(new HandlerScreen(app, { name, tab, openInvocation, openRenamed }), HandlerView);
}

function createPage(app: App): Page {
  return page(new CreateScreen(app, (name) => app.jump([handlerPage(app, name)])), CreateView);
}

function runPage(app: App): Page {
  return page(new RunScreen(app), RunView);
}

function quotaPage(app: App): Page {
  return page(new QuotaScreen(app), QuotaView);
}

function queuesPage(app: App): Page {
  return page(new QueuesScreen(app, (name) => app.open(queuePage(app, name))), QueuesView);
}

function queuePage(app: App, name: string): Page {
  const open = (message: QueueMessageView) => app.open(page(new MessageScreen(app, name, message), MessageView));
  return page(new QueueScreen(app, { name, open }), QueueView);
}

function transfersPage(app: App): Page {
  return page(new TransfersScreen(app, (handler) => app.jump([handlerPage(app, handler)])), TransfersView);
}

function tokensPage(app: App): Page {
  return page(new TokensScreen(app), TokensView);
}

function usersPage(app: App): Page {
  return page(new UsersScreen(app), UsersView);
}

function jumps(app: App, handlers: readonly HandlerInfo[]): readonly Jump[] {
  const places: Jump[] = [
    { name: 'handlers', help: 'all handlers', go: () => app.jump([]) },
    { name: 'create', help: 'a new handler', go: () => app.jump([createPage(app)]) },
    { name: 'run', help: 'run a local file', go: () => app.jump([runPage(app)]) },
    { name: 'queues', help: 'your queues and their messages', go: () => app.jump([queuesPage(app)]) },
    { name: 'quota', help: 'how much of it is used', go: () => app.jump([quotaPage(app)]) },
    { name: 'transfers', help: 'handlers that are offered to you', go: () => app.jump([transfersPage(app)]) },
    { name: 'tokens', help: 'who may act for you', go: () => app.jump([tokensPage(app)]) },
    { name: 'users', help: 'all accounts (administrators)', go: () => app.jump([usersPage(app)]) },
    ...accountPlaces(app).map((place) => jumpTo(app, place)),
    { name: 'logout', help: 'log out', go: () => askLogOut(app) },
    { name: 'quit', help: 'leave', go: () => app.options.exit() },
  ];
  const named = handlers.filter((handler) => handler.state !== 'deleted');
  return [
    ...places,
    ...named.map(({ name, state }) => ({
      name,
      help: state,
      go: () => app.jump([handlerPage(app, name)]),
    })),
    ...named.flatMap(({ name }) =>
      tabNames.slice(1).map((tab) => ({
        name: `${name} ${tab}`,
        help: `its ${tab}`,
        go: () => app.jump([handlerPage(app, name, tab)]),
      })),
    ),
    ...named.flatMap(({ name }) => handlerPlaces(app, name).map((place) => jumpTo(app, place))),
  ];
}

function jumpTo(app: App, { name, help, records }: Place): Jump {
  return { name, help, go: () => app.jump([page(new RecordsScreen(app, records), RecordsView)]) };
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
