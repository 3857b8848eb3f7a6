#!/bin/sh
set -eu
cd "$(dirname "$0")"
tinygo build -target=wasip1 -opt=s -no-debug -o function.wasm .
chmod 644 function.wasm
