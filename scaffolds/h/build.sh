#!/bin/sh
set -eu
cd "$(dirname "$0")"
# Runs function.h once if wasmcloud is installed. There is nothing to build: the push compiles it.
if command -v wasmcloud >/dev/null; then wasmcloud run function.h; fi
