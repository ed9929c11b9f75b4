#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cargo as this workspace wants it, so that nothing is built twice:
#   - one target folder outside the checkout, which a fresh clone of the same machine finds again;
#   - clippy as the compiler of our own crates, so that linting is no second build;
#   - the toolchain that has the wasm32v1-none target, where the default one hasn't (see setup.sh).
# usage: scripts/cargo.sh build --release --workspace
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export WASM_BUILD_WORKSPACE_HINT=$root
export RUSTC_WORKSPACE_WRAPPER=clippy-driver
toolchain=$("$root/scripts/setup.sh" --print-wasm-toolchain)
if [ -n "$toolchain" ]; then export WASM_BUILD_TOOLCHAIN=$toolchain; fi
cd "$root"
exec cargo "$@"
