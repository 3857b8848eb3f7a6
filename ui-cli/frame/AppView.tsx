import { Box } from 'ink';
import type { App } from './app.ts';
import { minimumSize } from './app-options.ts';
import { Failure } from './Failure.tsx';
import { Footer } from './Footer.tsx';
import { Header } from './Header.tsx';
import { MessageLine } from './MessageLine.tsx';
import { Confirm, Help, JumpList } from './Overlays.tsx';
import { Text } from './Text.tsx';
import { AppContext, useApp } from './use-app.ts';
import { useKeys } from './use-keys.ts';
import { useSize } from './use-size.ts';
import { useSuspend } from './use-suspend.ts';

/** Draws the whole terminal. */
export function AppView({ app }: { readonly app: App }) {
  useKeys(app);
  useSize(app);
  useSuspend(app);
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
  return app.page.draw();
}
