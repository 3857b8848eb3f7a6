#!/bin/sh
# Rebuilds the guests whose compilers are installed, and names the others: clang and lld with the wasm32 target,
# wasi-libc and libclang-rt-dev-wasm32; rustc with libstd-rust-dev-wasm32 (RUSTC names another than rustc);
# AssemblyScript (npm --prefix bench install, or ASC names its compiler).
cd "$(dirname "$0")" || exit 1
missing() { echo "left as they are, for want of $1: $2"; }

if command -v clang >/dev/null && command -v wasm-ld >/dev/null; then
  clang --target=wasm32 -O2 -nostdlib -fno-builtin -fno-vectorize -fno-slp-vectorize -Wl,--no-entry -Wl,-s -o workloads.wasm workloads.c
  c() { clang --target=wasm32-wasi -O2 -Wl,-s "$@"; }
  clang --target=wasm32-wasi -O2 -Wl,--strip-all -Wl,-z,stack-size=65536 -o cgi-post.wasm cgi-post.c
  c -o c.wasm hello.c
  c -DGROW=100000 -o c-grow.wasm hello.c
  c -DGROW=3000000 -o c-grow-3mb.wasm hello.c
else missing clang 'workloads.wasm cgi-post.wasm c.wasm c-grow.wasm c-grow-3mb.wasm'; fi

rustc=${RUSTC:-rustc}
# Later versions of the compiler call the target wasm32-wasip1.
target=$("$rustc" --print target-list 2>/dev/null | grep -x -e wasm32-wasi -e wasm32-wasip1 | tail -n 1)
if [ -n "$target" ] && [ -d "$("$rustc" --print sysroot)/lib/rustlib/$target" ]; then
  r() { "$rustc" --target "$target" -C opt-level=s -C panic=abort -C lto -C strip=symbols "$@" hello.rs; }
  r -o rust.wasm
  r --cfg grow -o rust-grow.wasm
else missing 'rustc with a WASI target' 'rust.wasm rust-grow.wasm'; fi

asc=${ASC:-../node_modules/.bin/asc}
if [ -x "$asc" ]; then
  source=$(mktemp -d) && cp hello.as "$source/hello.ts"
  "$asc" "$source/hello.ts" -o assemblyscript.wasm -O3 --use abort=
  rm -r "$source"
else missing AssemblyScript assemblyscript.wasm; fi
