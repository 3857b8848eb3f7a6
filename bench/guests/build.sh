#!/bin/sh
# Rebuilds the guests of this folder; needs clang and lld with the wasm32 target, for cgi-post wasi-libc too.
cd "$(dirname "$0")" || exit 1
clang --target=wasm32 -O2 -nostdlib -fno-builtin -fno-vectorize -fno-slp-vectorize -Wl,--no-entry -Wl,-s -o workloads.wasm workloads.c
clang --target=wasm32-wasi -O2 -Wl,--strip-all -Wl,-z,stack-size=65536 -o cgi-post.wasm cgi-post.c
