import { expect, test } from 'vitest';
import { testScreens } from '../../support/screens.ts';
import { keys } from '../../support/terminal.tsx';
import { line, record } from '../../support/ui-cli.ts';

const screens = testScreens();

test('invoking shows the answer, what it used and what it logged', async () => {
  screens.control.function = async (request, response) => {
    await screens.control.record({ records: [record('alpha', 'i_now', { gas: 77_000 })], counts: [] });
    await screens.control.write(line('alpha', 'was called', { invocation: 'i_now' }));
    response.setHeader('trisiel-invocation', 'i_now');
    response.end(`you asked ${request.url} \u001b[31m`);
  };
  const screen = screens.open({ handler: 'alpha', tab: 'invoke' });
  await screen.shows('live v4');
  await screen.press('e', '› Path');
  await screen.press(`${keys.ctrlU}/deep?x=1${keys.ctrlS}`, '→ 200 OK');
  await screen.shows('gas 77k');
  expect(screen.frame).toContain('you asked /deep?x=1 ^[[31m');
  expect(screen.frame).toContain('was called');
});
