/** The key that ends a running invocation. */
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';

/** Returns the binding that asks whether to end the invocation `id`. `cancelled` is called when it has been ended. */
export function cancelBinding(
  app: App,
  { handler, id, cancelled }: { readonly handler: string; readonly id: string; readonly cancelled: () => void },
): Binding {
  const shown = visible(id);
  return {
    needs: 'cancelInvocation',
    keys: ['x'],
    label: 'cancel',
    help: 'end the running invocation',
    run: () =>
      app.ask({
        kind: 'confirm',
        title: `End ${shown}?`,
        lines: ['Its caller is answered 503; a message that it works on comes again.'],
        verb: 'end it',
        run: () =>
          void app.run(
            `ending ${shown}`,
            async ({ abort: { signal } }) => {
              await app.client.cancelInvocation(handler, id, { signal });
              app.say('done', `ended ${shown}`);
              cancelled();
            },
            errorLines,
          ),
      }),
  };
}
