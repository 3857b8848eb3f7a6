#!/bin/sh
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || ./setup.sh
node build.mjs
