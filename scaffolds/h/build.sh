#!/bin/sh
set -eu
cd "$(dirname "$0")"
# The push compiles function.h. Where wasmcloud is installed, this sees before whether it will.
if command -v wasmcloud >/dev/null; then wasmcloud run function.h; fi
