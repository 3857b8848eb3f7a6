/** The Kubernetes objects fit the schemas of their kinds, which npm has; without its registry this is skipped. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { npmMissing } from '../support/npm-registry.ts';

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
}
type Kind = new (object: KubernetesObject) => { validate(): void };

const schemas = ['kubernetes-models@4.5.1', '@kubernetes-models/gateway-api@0.5.1'];
const file = join(import.meta.dirname, '../../deploy/kubernetes/trisiel.yaml');
const text = readFileSync(file, 'utf8');

const why = npmMissing();
if (why !== null) console.log(`skipped: schemas of Kubernetes: ${why}`);

describe.skipIf(why !== null)('the Kubernetes objects', () => {
  let load: NodeJS.Require;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'package.json'), '{}');
    execFileSync('npm', ['install', '--silent', '--no-save', '--ignore-scripts', ...schemas], { cwd: folder });
    load = createRequire(join(folder, 'package.json'));
  });
  afterAll(removeTemporaryFolders);

  /** Returns what is wrong with each object of a file of YAML; empty: each fits the schema of its kind. */
  function problemsOf(yaml: string): readonly string[] {
    return parseAllDocuments(yaml).flatMap((document) => {
      const object = document.toJS() as KubernetesObject;
      const { apiVersion, kind } = object;
      const from = apiVersion.startsWith('gateway.') ? '@kubernetes-models/gateway-api' : 'kubernetes-models';
      try {
        new (load(`${from}/${apiVersion}`) as Readonly<Record<string, Kind>>)[kind]!(object).validate();
        return [];
      } catch (error) {
        return [`${kind}: ${error instanceof Error ? error.message : error}`];
      }
    });
  }

  test('fit the schemas of their kinds', () => {
    expect(parseAllDocuments(text).length).toBeGreaterThan(5);
    expect(problemsOf(text)).toEqual([]);
  });

  test.each([
    ['replicas: 1', 'replicas: some', 'StatefulSet: data/spec/replicas'],
    ['containerPort:', 'containerprot:', 'StatefulSet: data/spec/template/spec/containers/0/ports/0'],
    ['kind: Gateway\n', 'kind: Getaway\n', 'Getaway:'],
  ])('with %j turned into %j would not', (right, wrong, problem) => {
    expect(text).toContain(right);
    expect(problemsOf(text.replaceAll(right, wrong)).join('\n')).toContain(problem);
  });
});
