#!/bin/sh
set -eu
cd "$(dirname "$0")"
rm -rf wit && mkdir wit
cp -r node_modules/@bytecodealliance/jco/lib/wit/builtin/0.2.12 wit/deps
printf "package local:function;\nworld server { include wasi:http/proxy@0.2.12; }\n" > wit/server.wit
.venv/bin/componentize-py --wit-path wit --world server componentize app --output function.wasm
