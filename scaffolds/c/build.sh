#!/bin/sh
set -eu
cd "$(dirname "$0")"
clang --target=wasm32-wasi --sysroot=/usr -Os -Wall -Wl,--strip-all -o function.wasm main.c
chmod 644 function.wasm
