/**
 * The only text that screens draw. Ink's own Text writes its strings to the terminal as they are, so a name or a
 * message of a server could move the cursor or change colours; test/ui-cli/frame/text.test.ts holds that no screen uses
 * it.
 */
import { Text as InkText, type TextProps } from 'ink';
import { Children } from 'react';
import { visible } from '../text/visible.ts';

export type { TextProps };

/**
 * Draws text with its control characters made visible (`visible`), a line break included. Takes the properties of Ink's
 * Text.
 */
export function Text({ children, ...props }: TextProps) {
  return (
    <InkText {...props}>
      {Children.map(children, (child) => (typeof child === 'string' ? visible(child) : child))}
    </InkText>
  );
}
