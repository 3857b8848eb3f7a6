/** inspect: modules, components and files that are neither, without a server. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { beforeAttempts } from '../../support/attempts.ts';
import { type Control, Home, root, startControl } from '../../support/ui-cli.ts';

let control: Control;
let home: Home;
beforeAttempts(
  async () => {
    control = await startControl();
    home = await Home.make(control);
  },
  () => control.close(),
);
afterAll(() => control.close());

const inspect = (...words: readonly string[]) => home.wasmcloud(['inspect', ...words]);
const guest = (path: string) => join(root, 'fixtures/guests', path);

test('a module: its entry, memory, imports, and that a push would take it', async () => {
  const { status, stdout } = await inspect(guest('cwa/hello.wasm'));
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^file +\S*hello\.wasm: a module, 253 B\nsha256 +dd38f459\w{56}\nexports +memory \(memory\), cwa_main \(function\)$/m,
  );
  expect(stdout).toMatch(/^world +cwa\nentry +cwa_main\nmemory +1 page \(64 KiB\), no maximum of its own$/m);
  expect(stdout).toMatch(/^imports +3 functions, all provided\n {2}cwa\.\w+ \(/m);
  expect(stdout).toMatch(/\na push would take it\n$/);
});

test('a component: the interface that it answers through', async () => {
  const found = JSON.parse((await inspect(guest('component/http.wasm'), '--json')).stdout);
  expect(found).toMatchObject({
    kind: 'component',
    exports: null,
    refusal: null,
    program: { entry: 'wasi:http/incoming-handler@0.2.12', abis: ['wasi2'] },
  });
});

test('what a push would refuse is said in its words, with exit status 1', async () => {
  const file = join(control.folder, 'foreign.wat');
  await writeFile(file, '(module (import "mystery" "call" (func)) (func (export "_start")))');
  const refused = await inspect(file);
  expect(refused).toMatchObject({ status: 1, stdout: expect.stringContaining('exports') });
  expect(refused.stderr).toContain('imports 1 function that nothing provides');
  expect(refused.stderr).toContain('mystery.call');
  const asJson = await inspect(file, '--json');
  expect(asJson.status).toBe(1);
  expect(JSON.parse(asJson.stdout)).toMatchObject({ program: null, refusal: { code: 'imports_unknown' } });
});

test('no WebAssembly, and no file, are said', async () => {
  const file = join(control.folder, 'page.wasm');
  await writeFile(file, '<html></html>');
  expect(await inspect(file)).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/^file +\S*page\.wasm: not WebAssembly, 13 B$/m),
    stderr: expect.stringContaining('is not a valid WebAssembly module'),
  });
  expect(await inspect(join(control.folder, 'none.wasm'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('there is no file'),
  });
});
