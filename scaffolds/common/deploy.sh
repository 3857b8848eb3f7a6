#!/bin/sh
# Commits the built function and pushes it. WASMCLOUD_URL: the address of the handler's repository; WASMCLOUD_TOKEN: a
# Token that may deploy it.
set -eu
: "${WASMCLOUD_URL:?is the address that wasmcloud show prints as git}"
: "${WASMCLOUD_TOKEN:?is a Token, made by: wasmcloud tokens create ci --scope deploy --handler @NAME@}"
export WASMCLOUD_TOKEN
cd "$(dirname "$0")"
git add --force @MODULE@
git diff --cached --quiet ||
  git -c user.name=ci -c user.email=ci@localhost commit --quiet --message "Build of $(git rev-parse --short HEAD)"
# The Token goes to git by a helper: arguments of a program can be read by others on its machine.
git -c credential.helper= \
  -c credential.helper='!f() { echo username=ci; echo "password=$WASMCLOUD_TOKEN"; }; f' \
  push --force "$WASMCLOUD_URL" HEAD:refs/heads/main
