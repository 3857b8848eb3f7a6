#!/bin/sh
set -eu
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "install Node.js 20 or later first" >&2; exit 1; }
npm install --no-audit --no-fund
