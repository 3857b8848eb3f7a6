#!/bin/sh
set -eu
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "install Go 1.21 or later first: https://go.dev/dl" >&2; exit 1; }
