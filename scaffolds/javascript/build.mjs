// Makes function.wasm out of src/index.js, for the world wasi:http/proxy. The interfaces come with jco.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { componentize } from '@bytecodealliance/componentize-js';

rmSync('wit', { recursive: true, force: true });
mkdirSync('wit');
cpSync('node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12', 'wit/deps', { recursive: true });
writeFileSync('wit/world.wit', 'package local:function;\nworld server { include wasi:http/proxy@0.2.12; }\n');
const { component } = await componentize({ sourcePath: 'src/index.js', witPath: 'wit', worldName: 'server' });
writeFileSync('function.wasm', component);
