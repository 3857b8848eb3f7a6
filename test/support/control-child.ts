/**
 * A control of its own process, so that a test can end it: a fleet that serves the fixture given, and
 * /readyz. Arguments: platform id, boot id, control port, run port, fixture, record file. Prints `ready PORT PORT`.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deploymentOf, fixture, TestFleet } from './fleet.ts';

const [platformId = '', bootId = '', controlPort = '0', runPort = '0', guest = '', recordFile] = process.argv.slice(2);
let ready = false;
const server = createServer((_request, response) => {
  response.writeHead(ready ? 200 : 503, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ ready, platformId, bootId }));
});
server.listen(Number(controlPort), '127.0.0.1', () => void start());

async function start(): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const fleet = new TestFleet({
    runners: 2,
    platformId,
    probeKey: `key-of-${platformId}`,
    bootId,
    port: Number(runPort),
    controlUrl: `http://127.0.0.1:${port}`,
    ...(recordFile === undefined ? {} : { recordFile, orphanGraceMs: 0 }),
  });
  const deployed = deploymentOf('hello', await fixture(guest));
  fleet.artifacts.set(deployed.spec.artifact, deployed.bytes);
  fleet.specs.set(deployed.spec.specId, deployed.spec);
  fleet.releases.set('hello', deployed.spec.specId);
  try {
    await fleet.start();
  } catch (error) {
    process.stdout.write(`failed ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  ready = true;
  process.on('SIGTERM', () => void fleet.stop().then(() => process.exit(0)));
  const pids = fleet.fleet.stats().map(({ pid }) => pid);
  process.stdout.write(`ready ${port} ${fleet.fleet.port} ${pids.join(',')}\n`);
}
