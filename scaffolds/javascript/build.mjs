// Makes function.wasm out of src/index.js, for the world wasi:http/proxy with variables. The interfaces come with jco;
// componentize-js knows them as version 0.2.10, to which later ones of 0.2 have only added.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { componentize } from '@bytecodealliance/componentize-js';

const interfaces = 'node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12';
rmSync('wit', { recursive: true, force: true });
for (const name of readdirSync(interfaces)) {
  mkdirSync(`wit/deps/${name}`, { recursive: true });
  const text = readFileSync(`${interfaces}/${name}/package.wit`, 'utf8');
  writeFileSync(`wit/deps/${name}/package.wit`, text.replaceAll('0.2.12', '0.2.10'));
}
const world = 'include wasi:http/proxy@0.2.10; import wasi:cli/environment@0.2.10;';
writeFileSync('wit/world.wit', `package local:function;\nworld server { ${world} }\n`);
const { component } = await componentize({ sourcePath: 'src/index.js', witPath: 'wit', worldName: 'server' });
writeFileSync('function.wasm', component);
