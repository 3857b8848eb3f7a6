/** Control for fault 11: kills itself when a push reaches the point given, as kill -9 would. */
import { startDoor } from '../git/platform.ts';

const [dataFolder = '', where = ''] = process.argv.slice(2);
const platform = await startDoor({
  dataFolder,
  receiver: (deployments) => ({
    begin(push) {
      const session = deployments.begin(push);
      return {
        async preReceive(objects, print, signal) {
          const accepted = await session.preReceive(objects, print, signal);
          if (where === 'pre') process.kill(process.pid, 'SIGKILL');
          return accepted;
        },
        async postReceive(print) {
          if (where === 'post') process.kill(process.pid, 'SIGKILL');
          await session.postReceive(print);
        },
        ended: () => session.ended(),
      };
    },
  }),
});
const user = await platform.user();
process.stdout.write(`${JSON.stringify({ url: platform.url, token: user.token })}\n`);
