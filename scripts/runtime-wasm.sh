#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a runtime with other features than the node's and prints the path of its compressed WebAssembly; its hash goes to the standard error.
# The target folder is one of its own: as features of the workspace they would displace the first runtime.
# usage: scripts/runtime-wasm.sh FOLDER FEATURES
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}/$1
toolchain=$("$root/scripts/setup.sh" --print-wasm-toolchain)
if [ -n "$toolchain" ]; then export WASM_BUILD_TOOLCHAIN=$toolchain; fi
cd "$root"
env -u RUSTC_WORKSPACE_WRAPPER cargo run --quiet --locked --release --target-dir "$target" --package ergon-runtime-wasm -- "$target" "$2"
