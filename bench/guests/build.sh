#!/bin/sh
# `build.sh go` makes Go's programs only.
# Rebuilds the guests whose compilers are installed, and names the others: clang and lld with the wasm32 target,
# wasi-libc and libclang-rt-dev-wasm32; rustc with libstd-rust-dev-wasm32 (RUSTC names another than rustc);
# AssemblyScript (npm --prefix bench install, or ASC names its compiler); Go 1.24 or later (GO names another than go), whose
# programs have 2 MB and are not committed; the sources of QuickJS in the folder that QUICKJS names (Debian: apt-get source
# quickjs, 2025.04.26). tinygo.wasm comes from Debian's golang-github-tetratelabs-wazero-dev 1.12.0-2 (cmd/wazero/testdata,
# Apache License 2.0), because no package has TinyGo itself; tinygo.go is its source.
cd "$(dirname "$0")" || exit 1
missing() { echo "left as they are, for want of $1: $2"; }

go=${GO:-go}
go_programs() {
  case $("$go" env GOVERSION 2>/dev/null) in
  go1.2[4-9]* | go1.[3-9][0-9]*)
    g() { GO111MODULE=off GOTOOLCHAIN=local GOOS=wasip1 GOARCH=wasm "$go" build -ldflags '-s -w' "$@"; }
    g -o go.wasm hello.go
    g -buildmode=c-shared -o go-reactor.wasm reactor.go
    ;;
  *) missing 'Go 1.24 or later' 'go.wasm go-reactor.wasm' ;;
  esac
}
go_programs
[ "$1" != go ] || exit 0

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

if command -v clang >/dev/null && [ -n "$QUICKJS" ]; then
  # One source includes setjmp.h and uses nothing of it.
  headers=$(mktemp -d) && : >"$headers/setjmp.h"
  clang --target=wasm32-wasi -Os -mexec-model=reactor -D_GNU_SOURCE -DCONFIG_VERSION='"2025-04-26"' -DEMSCRIPTEN -w \
    -Wl,--strip-all -Wl,-z,stack-size=262144 -I"$headers" -I"$QUICKJS" -o quickjs.wasm quickjs.c \
    "$QUICKJS"/quickjs.c "$QUICKJS"/cutils.c "$QUICKJS"/dtoa.c "$QUICKJS"/libregexp.c "$QUICKJS"/libunicode.c &&
    gzip -9nf quickjs.wasm
  rm -r "$headers"
else missing 'clang and QUICKJS' quickjs.wasm.gz; fi
