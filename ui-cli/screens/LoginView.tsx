import { Box, Text } from 'ink';
import { FormView } from '../components/FormView.tsx';
import type { LoginScreen } from '../model/login-screen.ts';

export function LoginView({ screen }: { readonly screen: LoginScreen }) {
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
