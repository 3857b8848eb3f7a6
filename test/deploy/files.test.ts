/** Files of deploy/: they parse, what they refer to exists, and they name no setting that the server does not read. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../../src/bin/config.ts';
import { configVariable, knownSettings, loadSettings } from '../../src/bin/config-file.ts';
import { temporaryFolder } from '../support/e2e.ts';

const root = join(import.meta.dirname, '../..');
const files = globSync('deploy/{caddy,container,kubernetes,nginx,systemd,traefik}/**', { cwd: root }).filter((file) =>
  statSync(join(root, file)).isFile(),
);
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Names of the front's own configuration, which the server does not read. */
const ofFront = ['TRISIEL_CONSOLE', 'TRISIEL_CONTROL', 'TRISIEL_FUNCTIONS', 'TRISIEL_ASK', 'TRISIEL_CADDY_OPTIONS'];
const ofBackup = ['TRISIEL_BACKUP_DAYS'];

/** Whether a program of a Debian package is installed; where it is not, says which tests are skipped. */
function has(program: string, words: readonly string[], debianPackage: string): boolean {
  const isThere = spawnSync(program, words, { stdio: 'ignore' }).status === 0;
  if (!isThere) console.log(`skipped: ${program} is not installed (apt-get install ${debianPackage})`);
  return isThere;
}

describe('every file of deploy/', () => {
  it('is looked at', () => expect(files.length).toBeGreaterThanOrEqual(9));

  it.each(files)('%s names only settings that are read', (file) => {
    const known = new Set(
      knownSettings().flatMap(({ name, isSecret }) => (isSecret ? [name, `${name}_FILE`] : [name])),
    );
    for (const own of [configVariable, ...ofFront, ...ofBackup]) known.add(own);
    const named = read(file).match(/\bTRISIEL_[A-Z_]*[A-Z]/g) ?? [];
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it.each(files)('%s refers only to files of the repository that exist', (file) => {
    const named = [
      ...read(file).matchAll(/(?:^|[\s(/])((?:deploy|docs|src|bin|hooks)\/[\w./-]+\.[a-z]+|deploy\/\w+\/[A-Z]\w+)/gm),
    ].map(([, path = '']) => path.replace(/^(src\/.*)\.js$/, '$1.ts'));
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('YAML', () => {
  const documents = (file: string) => parseAllDocuments(read(file));

  it.each(files.filter((file) => /\.ya?ml$/.test(file)))('%s parses', (file) => {
    for (const document of documents(file)) expect(document.errors).toEqual([]);
  });

  it('the Kubernetes objects refer to each other, hold no root, and carry a configuration that is taken', async () => {
    const objects = documents('deploy/kubernetes/trisiel.yaml').map((document) => document.toJS({ maxAliasCount: 10 }));
    const find = (kind: string) => objects.find((object) => object.kind === kind);
    expect(objects.every(({ kind, metadata }) => kind === 'Namespace' || metadata.namespace === 'trisiel')).toBe(true);
    const { template } = find('StatefulSet').spec;
    const [container] = template.spec.containers;
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
    expect(template.spec.securityContext.runAsNonRoot).toBe(true);
    const volumes = [...template.spec.volumes, { name: 'data' }].map(({ name }: { name: string }) => name);
    for (const { name } of container.volumeMounts) expect(volumes).toContain(name);
    const ports = container.ports.map(({ name }: { name: string }) => name);
    for (const { targetPort } of find('Service').spec.ports) expect(ports).toContain(targetPort);
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
      expect(ports).toContain(container[probe].httpGet.port);
    const all = (kind: string) => objects.filter((object) => object.kind === kind);
    const served = find('Service').spec.ports.map(({ port }: { port: number }) => port);
    const listeners = find('Gateway').spec.listeners.map(({ name }: { name: string }) => name);
    const routes = all('HTTPRoute');
    for (const { spec } of routes)
      for (const { name, sectionName } of spec.parentRefs) {
        expect(name).toBe(find('Gateway').metadata.name);
        expect(listeners).toContain(sectionName);
      }
    const backends = routes.flatMap(({ spec }) => spec.rules).flatMap(({ backendRefs = [] }) => backendRefs);
    expect(backends).toEqual([
      { name: 'trisiel', port: 3002 },
      { name: 'trisiel', port: 3003 },
    ]);
    for (const { port } of backends) expect(served).toContain(port);
    const folder = await temporaryFolder();
    const token = join(folder, 'metrics-token');
    await writeFile(token, 'scrape-me-0123456789\n');
    const text = find('ConfigMap').data['trisiel.toml'].replace('/run/secrets/trisiel/metrics-token', token);
    await writeFile(join(folder, 'trisiel.toml'), text);
    expect(readConfig(loadSettings({}, join(folder, 'trisiel.toml')).values)).toMatchObject({
      domain: 'functions.example.com',
      metricsToken: 'scrape-me-0123456789',
    });
  });

  it('the services of compose refer to volumes and networks that exist, and are read-only without capabilities', () => {
    const [document] = documents('deploy/container/compose.yaml');
    const { services, volumes, networks } = document!.toJS();
    for (const service of Object.values<Record<string, readonly string[]>>(services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) expect(existsSync(join(root, 'deploy/container', source))).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
      }
      for (const network of service.networks ?? []) expect(Object.keys(networks)).toContain(network);
    }
    const [subnet] = networks.front.ipam.config;
    expect(services.trisiel.environment.TRISIEL_TRUSTED_PROXIES).toBe(subnet.subnet);
  });
});

describe('the Containerfile', () => {
  const lines = read('deploy/container/Containerfile')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const last = (word: string) => lines.findLast((line) => line.startsWith(`${word} `));

  it('has only instructions that exist, ends as a user that is not root, and starts a file of the package', () => {
    const known = /^(FROM|COPY|RUN|ENV|USER|WORKDIR|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT) /;
    expect(lines.filter((line) => !known.test(line))).toEqual([]);
    expect(last('USER')).toBe('USER 65532:65532');
    expect(lines.filter((line) => line.startsWith('FROM ')).every((line) => /:\S*[a-z0-9]/.test(line))).toBe(true);
    const entry = JSON.parse(last('ENTRYPOINT')!.slice('ENTRYPOINT '.length)) as string[];
    expect(entry[0]).toBe('node');
    const program = entry[1]!.replace('/opt/trisiel/lib/node_modules/trisiel/', '').replace(/\.js$/, '.ts');
    expect(existsSync(join(root, program))).toBe(true);
    const check = last('HEALTHCHECK')!;
    const words = JSON.parse(check.slice(check.indexOf('['))) as string[];
    expect(() => new Function(words[2]!)).not.toThrow();
  });
});

describe('units', () => {
  const units = files.filter((file) => /\.(service|timer)$/.test(file));
  const canVerify = has('systemd-analyze', ['--version'], 'systemd');

  it.each(units)('%s starts programs of the package only', (unit) => {
    const commands = [...read(unit).matchAll(/^Exec\w+=(.*)$/gm)].flatMap(([, command = '']) => command.split(' '));
    for (const word of commands.filter((word) => word.startsWith('/opt/trisiel/'))) {
      const path = word.replace('/opt/trisiel/lib/node_modules/trisiel/', '').replace(/^(src\/.*)\.js$/, '$1.ts');
      expect(existsSync(join(root, path)), path).toBe(true);
    }
  });

  test.skipIf(!canVerify)('pass systemd-analyze verify', async () => {
    // The programs need not be installed here: their places are taken by one that exists.
    const folder = await temporaryFolder();
    for (const unit of units)
      await writeFile(
        join(folder, unit.split('/').at(-1)!),
        read(unit)
          .replaceAll(/^(Exec\w+)=\S+/gm, '$1=/bin/true')
          .replaceAll(/^Documentation=.*\n/gm, ''),
      );
    const paths = units.map((unit) => join(folder, unit.split('/').at(-1)!));
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], { encoding: 'utf8' });
    const own = stderr.split('\n').filter((line) => line.includes('trisiel'));
    expect({ status, own }).toEqual({ status: 0, own: [] });
  });

  test.skipIf(!canVerify)('expose little: systemd-analyze security', () => {
    for (const unit of units.filter((file) => file.endsWith('.service'))) {
      const { stdout, stderr, status } = spawnSync(
        'systemd-analyze',
        ['security', '--offline=true', '--threshold=20', '--no-pager', join(root, unit)],
        { encoding: 'utf8' },
      );
      expect(status, `${stdout.slice(-2_000)}${stderr}`).toBe(0);
    }
  });

  test('the backup script is valid', () => {
    execFileSync('sh', ['-n', join(root, 'deploy/systemd/backup.sh')]);
  });
});

describe('fronts', () => {
  test.skipIf(!has('caddy', ['version'], 'caddy'))('Caddy takes the Caddyfile as it is formatted', () => {
    const adapted = spawnSync('caddy', ['adapt', '--config', join(root, 'deploy/caddy/Caddyfile')], {
      encoding: 'utf8',
    });
    expect(adapted.status, adapted.stderr).toBe(0);
    const { apps } = JSON.parse(adapted.stdout);
    expect(apps.tls.automation.on_demand.ask).toBe('http://127.0.0.1:3002/tls/ask');
  });

  test.skipIf(!has('caddy', ['version'], 'caddy'))('the file for clusters asks before it gets certificates too', () => {
    const words = ['adapt', '--adapter', 'caddyfile', '--config', join(root, 'deploy/caddy/Caddyfile.cluster')];
    const adapted = spawnSync('caddy', words, { encoding: 'utf8' });
    expect(adapted.status, adapted.stderr).toBe(0);
    const { apps } = JSON.parse(adapted.stdout);
    expect(apps.tls.automation.on_demand.ask).toBe('http://127.0.0.1:3002/tls/ask');
    expect(JSON.stringify(apps.tls.automation.policies)).toContain('"on_demand":true');
  });

  it('every front removes Forwarded, which a client could write', () => {
    expect(read('deploy/caddy/Caddyfile')).toContain('header_up -Forwarded');
    expect(read('deploy/nginx/trisiel.conf').match(/proxy_set_header Forwarded "";/g)).toHaveLength(2);
    const [traefik] = parseAllDocuments(read('deploy/traefik/trisiel.yml')).map((document) => document.toJS());
    for (const router of Object.values<{ middlewares: string[] }>(traefik.http.routers))
      expect(router.middlewares).toEqual(['trisiel-no-forwarded']);
    const objects = parseAllDocuments(read('deploy/kubernetes/trisiel.yaml')).map((document) => document.toJS());
    // An Ingress cannot remove a header.
    expect(objects.map(({ kind }) => kind)).not.toContain('Ingress');
    const rules = objects.filter(({ kind }) => kind === 'HTTPRoute').flatMap(({ spec }) => spec.rules);
    for (const { filters } of rules.filter(({ backendRefs }) => backendRefs !== undefined))
      expect(filters).toContainEqual({
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { remove: ['Forwarded'] },
      });
  });
});
