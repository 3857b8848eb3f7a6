#!/bin/sh
set -eu
cd "$(dirname "$0")"
# Rust before 1.78 calls the target wasm32-wasi.
target=wasm32-wasip1
rustc --print target-list | grep -qx "$target" || target=wasm32-wasi
cargo build --release --target "$target"
cp "target/$target/release/function.wasm" function.wasm
chmod 644 function.wasm
