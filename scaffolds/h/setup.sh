#!/bin/sh
set -eu
cd "$(dirname "$0")"
# The platform compiles h: nothing is to be installed.
