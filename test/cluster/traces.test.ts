/** Traces of a cluster: nodes send the spans of what they run. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';
import { OtlpReceiver } from '../support/otlp-receiver.ts';

onCluster('traces of a cluster', () => {
  let receiver: OtlpReceiver;
  let cluster: TestCluster;
  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    cluster = await TestCluster.start({ controls: 1, nodes: 0 });
    await cluster.addNode('eu-1', { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SERVICE_NAME: 'functions-eu' });
  });
  afterAll(async () => {
    await cluster?.close();
    await receiver?.stop();
    await removeTemporaryFolders();
  });

  test('a node sends the span of a call to its own receiver', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('traced') });
    expect((await push(cluster.control(), cluster.user, repo, 'otter')).status).toBe(0);
    const answer = await cluster.call(cluster.nodes[0]!, 'otter');
    const span = await receiver.until(() =>
      receiver.spans.find(({ facts }) => facts['faas.invocation_id'] === answer.headers['trisiel-invocation']),
    );
    expect(span.facts).toMatchObject({ 'faas.name': 'otter', 'faas.version': 'v1' });
    expect(receiver.resources[0]).toMatchObject({ 'service.name': 'functions-eu' });
  });
});
