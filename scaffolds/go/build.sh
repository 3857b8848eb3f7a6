#!/bin/sh
set -eu
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm go build -ldflags="-s -w" -o function.wasm .
chmod 644 function.wasm
