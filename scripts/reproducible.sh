#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the runtime of a public network twice, from this folder and from a copy elsewhere with another cargo home, and fails unless both have
# the same bytes. Prints the hash.
# usage: scripts/reproducible.sh [FEATURES]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
features=${1:-production}
here=$(scripts/runtime-wasm.sh runtimes "$features")

elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
mkdir -p "$elsewhere/a/deeper/checkout" "$elsewhere/cargo"
# What git knows of and what it would add, as it is now.
git ls-files -z --cached --others --exclude-standard |
    tar -c --null --ignore-failed-read --files-from - 2>/dev/null | tar -x -C "$elsewhere/a/deeper/checkout"
# Another path to the same registry, so that nothing is downloaded again.
for entry in "${CARGO_HOME:-$HOME/.cargo}"/*; do ln -s "$entry" "$elsewhere/cargo/"; done
there=$(CARGO_HOME=$elsewhere/cargo ERGON_CACHE=$elsewhere/cache "$elsewhere/a/deeper/checkout/scripts/runtime-wasm.sh" other "$features")

cmp "$here" "$there" || {
    echo "reproducible: the runtime differs between $PWD and a copy of it; 'strings' on both finds what got in" >&2
    exit 1
}
echo "reproducible: both have the hash 0x$(b2sum -l 256 <"$here" | cut -d' ' -f1)"
