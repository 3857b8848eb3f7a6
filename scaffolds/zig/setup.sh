#!/bin/sh
set -eu
cd "$(dirname "$0")"
command -v zig >/dev/null || { echo "install Zig 0.13 or later first: https://ziglang.org/download" >&2; exit 1; }
