/**
 * A control of its own process, so that a test can end it: a fleet that serves the fixture given, on a port that
 * takes reports of earlier runners. Arguments: platform id, boot id, control port, run port, fixture, record file,
 * folder for log lines of ended runners. Prints `ready CONTROL-PORT RUN-PORT PIDS`, then a JSON line for each batch of
 * log lines and usage. SIGTERM leaves the runners to the next control, SIGINT ends them.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deploymentOf, fixture, TestFleet } from './fleet.ts';

const [platformId = '', bootId = '', controlPort = '0', runPort = '0', guest = '', recordFile, spoolFolder] =
  process.argv.slice(2);
let fleet: TestFleet | null = null;
const server = createServer((request, response) => {
  if (fleet?.fleet.takeover.handles(request)) void fleet.fleet.takeover.handle(request, response);
  else response.writeHead(503).end();
});
server.listen(Number(controlPort), '127.0.0.1', () => void start());

async function start(): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const running = new TestFleet(
    {
      runners: 2,
      platformId,
      probeKey: `key-of-${platformId}`,
      bootId,
      port: Number(runPort),
      controlUrl: `http://127.0.0.1:${port}`,
      ...(recordFile === undefined ? {} : { recordFile }),
      ...(spoolFolder === undefined ? {} : { spoolFolder }),
      onLogs: async (lines, dropped) => {
        print({ lines: lines.filter(({ stream }) => stream !== 'request').map(({ text }) => text), dropped });
        return 'stored';
      },
      onUsage: async (_records, counts) => print({ invocations: counts.map(({ invocations }) => invocations) }),
    },
    { outlive: true },
  );
  fleet = running;
  const deployed = deploymentOf('hello', await fixture(guest));
  running.artifacts.set(deployed.spec.artifact, deployed.bytes);
  running.specs.set(deployed.spec.specId, deployed.spec);
  running.releases.set('hello', deployed.spec.specId);
  try {
    await running.start();
  } catch (error) {
    process.stdout.write(`failed ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  process.on('SIGTERM', () => void running.fleet.leave(30_000).then(() => process.exit(0)));
  process.on('SIGINT', () => void running.stop().then(() => process.exit(0)));
  const pids = running.runners.map(({ pid }) => pid);
  process.stdout.write(`ready ${port} ${running.fleet.port} ${pids.join(',')}\n`);
}

function print(batch: object): void {
  process.stdout.write(`${JSON.stringify(batch)}\n`);
}
