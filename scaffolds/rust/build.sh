#!/bin/sh
set -eu
cd "$(dirname "$0")"
cargo build --release --target wasm32-wasip1
cp target/wasm32-wasip1/release/function.wasm function.wasm
chmod 644 function.wasm
