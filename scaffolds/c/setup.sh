#!/bin/sh
set -eu
cd "$(dirname "$0")"
sudo=""; [ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update
$sudo apt-get install -y --no-install-recommends clang lld wasi-libc libclang-rt-dev-wasm32
