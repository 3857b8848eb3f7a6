#!/bin/sh
set -eu
cd "$(dirname "$0")"
# Rust of a distribution comes with the target as a package of its own (Debian: libstd-rust-dev-wasm32).
for target in wasm32-wasip1 wasm32-wasi; do
  libraries=$(rustc --print target-libdir --target "$target" 2>/dev/null) || continue
  if [ -d "$libraries" ]; then exit 0; fi
done
command -v rustup >/dev/null || { echo "install rustup first: https://rustup.rs" >&2; exit 1; }
rustup target add wasm32-wasip1
