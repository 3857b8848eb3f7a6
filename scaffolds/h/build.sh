#!/bin/sh
set -eu
cd "$(dirname "$0")"
# Checks function.h if wasmcloud is installed. The push compiles it.
if command -v wasmcloud >/dev/null; then wasmcloud run function.h; fi
