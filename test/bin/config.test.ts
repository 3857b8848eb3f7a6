import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig, readNodeConfig } from '../../src/bin/config.ts';
import { TrustedProxies } from '../../src/protocol/trusted-proxies.ts';

describe('the server configuration', () => {
  it('has the documented defaults', () => {
    const config = readConfig({});
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 3002,
      runPort: 3003,
      registration: 'invite',
      domain: 'localhost',
      egressAllow: [],
      drainAllow: [],
      url: null,
      runUrl: null,
      trustedProxies: TrustedProxies.none,
      database: null,
      graceS: 30,
      quotaBytes: 2 * 1024 ** 3,
      metricsToken: null,
      askToken: null,
      dnsServers: [],
      traces: null,
    });
    expect(config.dataFolder).toBe(`${process.cwd()}/data`);
    expect(config.runners).toBeGreaterThan(0);
  });

  it('reads every variable', () => {
    const config = readConfig({
      TRISIEL_DATA: '/srv/trisiel',
      TRISIEL_HOST: '::1',
      TRISIEL_PORT: '0',
      TRISIEL_RUN_PORT: '8080',
      TRISIEL_RUNNERS: '3',
      TRISIEL_REGISTRATION: 'open',
      TRISIEL_DOMAIN: 'fn.example.com',
      TRISIEL_EGRESS_ALLOW: '10.0.0.5:80, [fd00::1]:443,db.internal:5432',
      TRISIEL_URL: 'https://api.example.com/',
      TRISIEL_RUN_URL: 'https://fn.example.com',
      TRISIEL_INTERNAL_URL: 'http://10.0.0.7:3002/',
      TRISIEL_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
      TRISIEL_DATABASE: 'postgres://ada:pw@db.example.com:5432/trisiel',
      TRISIEL_GRACE_S: '5',
      TRISIEL_QUOTA_BYTES: '1073741824',
      TRISIEL_LOG_DAYS: '7',
      TRISIEL_LOG_BYTES: '2097152',
      TRISIEL_METRICS_TOKEN: 'scrape-me-0123456789',
      TRISIEL_ASK_TOKEN: 'ask-me-0123456789abc',
      TRISIEL_DNS: '9.9.9.9, [2620:fe::fe]:53,127.0.0.1:5353,::1',
    });
    expect(config.trustedProxies.trusts('10.9.8.7')).toBe(true);
    expect(config.trustedProxies.trusts('11.0.0.1')).toBe(false);
    expect(config).toEqual({
      cluster: null,
      dataFolder: '/srv/trisiel',
      host: '::1',
      port: 0,
      runPort: 8080,
      runners: 3,
      registration: 'open',
      domain: 'fn.example.com',
      egressAllow: ['10.0.0.5:80', '[fd00::1]:443', 'db.internal:5432'],
      drainAllow: [],
      url: 'https://api.example.com',
      runUrl: 'https://fn.example.com',
      internalUrl: 'http://10.0.0.7:3002',
      trustedProxies: config.trustedProxies,
      database: 'postgres://ada:pw@db.example.com:5432/trisiel',
      graceS: 5,
      quotaBytes: 1_073_741_824,
      logDays: 7,
      logBytes: 2_097_152,
      metricsToken: 'scrape-me-0123456789',
      askToken: 'ask-me-0123456789abc',
      dnsServers: ['9.9.9.9', '[2620:fe::fe]:53', '127.0.0.1:5353', '::1'],
      traces: null,
    });
  });

  it('of a node has labels, from NAME=VALUE with commas', () => {
    const labelsOf = (TRISIEL_NODE_LABELS: string) =>
      readNodeConfig({ TRISIEL_JOIN: `http://control:3002#tn_${'a'.repeat(43)}`, TRISIEL_NODE_LABELS }).labels;
    expect(labelsOf('')).toEqual({});
    expect(labelsOf('zone=eu, disk=ssd')).toEqual({ zone: 'eu', disk: 'ssd' });
    for (const wrong of [
      'zone',
      'zone=',
      '=eu',
      'zone=eu=us',
      'Zone=eu',
      'zone=-eu',
      `zone=${'a'.repeat(64)}`,
      'a_b=c',
    ])
      expect(() => labelsOf(wrong), wrong).toThrow('is not a label such as zone=eu');
    expect(() => labelsOf('zone=eu,zone=us')).toThrow('names zone once');
    const many = Array.from({ length: 9 }, (_, index) => `l${index}=x`).join(',');
    expect(() => labelsOf(many)).toThrow('at most 8 labels');
  });

  describe('traces', () => {
    const receiver = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

    it('are recorded where there is a receiver, unless they are turned off', () => {
      expect(readConfig(receiver).traces).toEqual({
        sampling: { isParentBased: true, ratio: 1 },
        resource: { 'service.name': 'trisiel' },
      });
      expect(readConfig({ OTEL_TRACES_EXPORTER: 'otlp' }).traces).not.toBeNull();
      expect(readConfig({ ...receiver, OTEL_TRACES_EXPORTER: 'none' }).traces).toBeNull();
      expect(readConfig({ ...receiver, OTEL_SDK_DISABLED: 'TRUE' }).traces).toBeNull();
    });

    it('are sampled as OpenTelemetry names it, and carry its attributes', () => {
      const settings = {
        ...receiver,
        OTEL_TRACES_SAMPLER: 'traceidratio',
        OTEL_TRACES_SAMPLER_ARG: '0.25',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test%20bed, service.name=first,broken,%zz=1',
        OTEL_SERVICE_NAME: 'functions',
      };
      expect(readConfig(settings).traces).toEqual({
        sampling: { isParentBased: false, ratio: 0.25 },
        resource: { 'service.name': 'functions', 'deployment.environment': 'test bed' },
      });
      expect(readConfig({ ...receiver, OTEL_TRACES_SAMPLER: 'always_off' }).traces?.sampling.ratio).toBe(0);
    });

    it.each([
      ['OTEL_TRACES_EXPORTER', 'zipkin'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317'],
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
      ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ])('name %s in one line when it holds %j', (name, value) => {
      expect(() => readConfig({ ...receiver, [name]: value })).toThrow(new RegExp(`^${name}\\b[^\n]*$`));
    });

    it('refuse a share that is none', () => {
      const share = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' };
      expect(() => readConfig({ ...receiver, ...share })).toThrow('OTEL_TRACES_SAMPLER_ARG');
    });
  });

  it.each([
    ['TRISIEL_PORT', '70000'],
    ['TRISIEL_PORT', '80x'],
    ['TRISIEL_RUN_PORT', '-1'],
    ['TRISIEL_RUN_PORT', '3002'],
    ['TRISIEL_RUNNERS', '0'],
    ['TRISIEL_REGISTRATION', 'maybe'],
    ['TRISIEL_DOMAIN', 'Exa mple'],
    ['TRISIEL_EGRESS_ALLOW', 'localhost'],
    ['TRISIEL_EGRESS_ALLOW', 'a:0'],
    ['TRISIEL_URL', 'ftp://x'],
    ['TRISIEL_HOST', 'a b'],
    ['TRISIEL_TRUSTED_PROXIES', 'proxy.example.com'],
    ['TRISIEL_TRUSTED_PROXIES', '10.0.0.0/40'],
    ['TRISIEL_DATABASE', 'mysql://x'],
    ['TRISIEL_DATABASE', 'postgres'],
    ['TRISIEL_GRACE_S', '1.5'],
    ['TRISIEL_GRACE_S', '3601'],
    ['TRISIEL_QUOTA_BYTES', '2GiB'],
    ['TRISIEL_QUOTA_BYTES', '0'],
    ['TRISIEL_LOG_DAYS', '0'],
    ['TRISIEL_LOG_BYTES', '1KiB'],
    ['TRISIEL_METRICS_TOKEN', 'short'],
    ['TRISIEL_ASK_TOKEN', 'short'],
    ['TRISIEL_DNS', 'dns.example'],
    ['TRISIEL_DNS', '9.9.9.9:x'],
    ['TRISIEL_METRICS_TOKEN_FILE', '/nonexistent/token'],
    ['TRISIEL_DATABASE_FILE', '/nonexistent/url'],
  ])('names %s in one line when it holds %j', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`^${name}\\b[^\n]*$`));
  });

  describe('a secret in a file', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'trisiel-config-'));
    });
    afterAll(() => rm(folder, { recursive: true }));

    it('is read without the line end', async () => {
      const file = join(folder, 'secret');
      await writeFile(file, 'scrape-me-0123456789\n');
      expect(readConfig({ TRISIEL_METRICS_TOKEN_FILE: file }).metricsToken).toBe('scrape-me-0123456789');
      await writeFile(file, 'postgres://ada:pw@h/d\r\n');
      expect(readConfig({ TRISIEL_DATABASE_FILE: file }).database).toBe('postgres://ada:pw@h/d');
      const both = { TRISIEL_METRICS_TOKEN_FILE: file, TRISIEL_METRICS_TOKEN: 'scrape-me-0123456789' };
      expect(() => readConfig(both)).toThrow('both set');
      await writeFile(file, '\n');
      expect(() => readConfig({ TRISIEL_METRICS_TOKEN_FILE: file })).toThrow('empty file');
    });
  });

  it('refuses the bus of a cluster without the database that its controls share', () => {
    const bus = { TRISIEL_NATS: 'nats://control:pw@nats:4222' };
    expect(() => readConfig(bus)).toThrow('TRISIEL_NATS is set, but TRISIEL_DATABASE is not');
    expect(readConfig({ ...bus, TRISIEL_DATABASE: 'postgres://ada:pw@h/d' }).cluster).toEqual({
      nats: bus.TRISIEL_NATS,
      natsOfNodes: bus.TRISIEL_NATS,
    });
  });

  it('never shows a secret that does not parse', () => {
    for (const name of ['TRISIEL_DATABASE', 'TRISIEL_METRICS_TOKEN'])
      expect(() => readConfig({ [name]: 'mysql://u:hunter2 pw' })).toThrow(/^(?!.*hunter2)/s);
  });
});
