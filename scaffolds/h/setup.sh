#!/bin/sh
set -eu
cd "$(dirname "$0")"
# Installs nothing: the platform compiles h.
