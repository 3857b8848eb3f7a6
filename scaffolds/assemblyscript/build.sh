#!/bin/sh
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || ./setup.sh
node_modules/.bin/asc assembly/index.ts --config node_modules/@assemblyscript/wasi-shim/asconfig.json \
  --optimizeLevel 3 --shrinkLevel 1 --outFile function.wasm
