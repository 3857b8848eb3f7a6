#!/bin/sh
set -eu
cd "$(dirname "$0")"
zig build-exe main.zig -target wasm32-wasi -lc -O ReleaseSmall -femit-bin=function.wasm
chmod 644 function.wasm
