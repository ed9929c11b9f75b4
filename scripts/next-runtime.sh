#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the runtime after this one (feature `next-version`), which an upgrade is rehearsed with, and prints the path of its WebAssembly.
# cargo compiles it straight for the target, in a target folder of its own: as a feature of the workspace it would displace the first runtime.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}/next-runtime
toolchain=$("$root/scripts/setup.sh" --print-wasm-toolchain)
if [ -n "$toolchain" ]; then export RUSTUP_TOOLCHAIN=$toolchain; fi
# What the node's executor expects of a runtime: its memory is imported, table and heap base are exported.
flags='--cfg substrate_runtime -C link-arg=--export-table -C link-arg=--export=__heap_base -C link-arg=--import-memory'
cd "$root"
env -u RUSTC -u RUSTC_WORKSPACE_WRAPPER -u CARGO_ENCODED_RUSTFLAGS RUSTFLAGS="$flags" CARGO_TARGET_DIR="$target" \
    cargo rustc --quiet --locked --profile production --package ergon-runtime --lib --crate-type cdylib \
    --no-default-features --features next-version --target wasm32v1-none
echo "$target/wasm32v1-none/production/ergon_runtime.wasm"
