import { Box } from 'ink';
import { FormView } from '../../frame/FormView.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text } from '../../frame/Text.tsx';
import type { LoginScreen } from './login-screen.ts';

export function LoginView({ screen }: ScreenProps<LoginScreen>) {
  const login = screen.mode === 'login';
  return (
    <Box flexDirection="column" paddingTop={1}>
      <Text bold>{login ? '   Log in' : '   Create an account'}</Text>
      <Text> </Text>
      <FormView form={screen.form} active />
      <Text> </Text>
      <Text dimColor wrap="truncate">
        {login ? '   New here? Ctrl-N creates an account.' : '   Have an account? Ctrl-N logs in.'}
      </Text>
      <Text dimColor wrap="truncate">
        {'   git push asks for no password afterwards.'}
      </Text>
    </Box>
  );
}
