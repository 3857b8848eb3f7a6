#!/bin/sh
set -eu
cd "$(dirname "$0")"
command -v tinygo >/dev/null || { echo "install TinyGo first: https://tinygo.org/getting-started/install" >&2; exit 1; }
