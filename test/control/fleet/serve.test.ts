import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, deploymentOf, fixture, TestFleet, writer } from '../../support/fleet.ts';

describe('a fleet with one runner', () => {
  const fleet = new TestFleet();
  beforeAll(() => fleet.start());
  afterAll(() => fleet.stop());

  it('answers by path, by host name, and with an invocation id', async () => {
    await fleet.deploy(deploymentOf('swift-otter', await fixture('cwa/hello.wasm')));
    const byPath = await call(`${fleet.url}/swift-otter/`);
    expect(byPath.status).toBe(200);
    expect(byPath.text).toMatch(/hello/i);
    expect(byPath.headers['trisiel-invocation']).toMatch(/^[0-9a-f]+-/);
    const byHost = await call(`${fleet.url}/`, { headers: { host: 'swift-otter.localhost:3003' } });
    expect(byHost.text).toBe(byPath.text);
  });

  it('serves plain text where the output has no header line', async () => {
    await fleet.deployWat('plain', writer('just text\n'));
    const answer = await call(`${fleet.url}/plain`);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.headers['content-length']).toBe('10');
    expect(answer.text).toBe('just text\n');
  });
});
