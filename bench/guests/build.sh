#!/bin/sh
# Rebuilds workloads.wasm; needs clang and lld with the wasm32 target.
cd "$(dirname "$0")" || exit 1
clang --target=wasm32 -O2 -nostdlib -fno-builtin -fno-vectorize -fno-slp-vectorize -Wl,--no-entry -Wl,-s -o workloads.wasm workloads.c
