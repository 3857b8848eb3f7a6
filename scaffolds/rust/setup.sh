#!/bin/sh
set -eu
cd "$(dirname "$0")"
command -v rustup >/dev/null || { echo "install rustup first: https://rustup.rs" >&2; exit 1; }
rustup target add wasm32-wasip1
