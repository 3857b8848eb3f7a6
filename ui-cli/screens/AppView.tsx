import { Box, Text } from 'ink';
import { Failure } from '../components/Failure.tsx';
import { Footer } from '../components/Footer.tsx';
import { Header } from '../components/Header.tsx';
import { Lines } from '../components/Lines.tsx';
import { MessageLine } from '../components/MessageLine.tsx';
import { Confirm, Help, JumpList } from '../components/Overlays.tsx';
import { AppContext, useApp } from '../hooks/use-app.ts';
import { useKeys } from '../hooks/use-keys.ts';
import { useSize } from '../hooks/use-size.ts';
import type { App } from '../model/app.ts';
import { minimumSize } from '../model/app-options.ts';
import { CreateScreen } from '../model/create-screen.ts';
import { HandlerScreen } from '../model/handler-screen.ts';
import { HandlersScreen } from '../model/handlers-screen.ts';
import { InvocationScreen } from '../model/invocation-screen.ts';
import { LoginScreen } from '../model/login-screen.ts';
import { RunScreen } from '../model/run-screen.ts';
import { CreateView } from './CreateView.tsx';
import { HandlersView } from './HandlersView.tsx';
import { HandlerTabsView } from './HandlerTabsView.tsx';
import { LoginView } from './LoginView.tsx';
import { RunView } from './RunView.tsx';

/** The whole terminal. */
export function AppView({ app }: { readonly app: App }) {
  useKeys(app);
  useSize(app);
  return (
    <AppContext value={app}>
      <Frame />
    </AppContext>
  );
}

function Frame() {
  const app = useApp();
  const { columns, rows } = app.size;
  if (app.tooSmall) {
    return <Text>{`too small: need ${minimumSize.columns}x${minimumSize.rows}, have ${columns}x${rows}`}</Text>;
  }
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Header />
      <Box flexDirection="column" flexGrow={1} overflow="hidden">
        <Body />
      </Box>
      <MessageLine />
      <Footer />
    </Box>
  );
}

function Body() {
  const app = useApp();
  const { overlay, screen } = app;
  const rows = app.bodyRows + screen.headRows;
  if (overlay?.kind === 'help') return <Help help={overlay} rows={rows} />;
  if (overlay?.kind === 'jump') return <JumpList jump={overlay} rows={rows} />;
  if (overlay?.kind === 'confirm') return <Confirm overlay={overlay} />;
  const failure = screen.failure();
  if (failure !== null) return <Failure error={failure} />;
  if (screen instanceof HandlersScreen) return <HandlersView screen={screen} />;
  if (screen instanceof HandlerScreen) return <HandlerTabsView screen={screen} />;
  if (screen instanceof InvocationScreen) return <Lines lines={screen.scroll.window} />;
  if (screen instanceof LoginScreen) return <LoginView screen={screen} />;
  if (screen instanceof CreateScreen) return <CreateView screen={screen} />;
  if (screen instanceof RunScreen) return <RunView screen={screen} />;
  return null;
}
