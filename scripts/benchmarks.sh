#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures the calls and hooks of our pallets in the runtime of a public network, compiled to WebAssembly, and writes their weights:
# pallets/*/src/weights/measured.rs. Run it on a machine like the validators', with nothing else to do.
#
#   scripts/benchmarks.sh             all pallets
#   scripts/benchmarks.sh jobs ...    these
#
# ERGON_BENCH_STEPS and ERGON_BENCH_REPEAT say how many values of a parameter are tried and how often each (20 and 10).
# FRAME_OMNI_BENCHER names a frame-omni-bencher to use instead of the one that is installed here, in a folder of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache=${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}
# Of the same release as the crates that the workspace pins.
readonly VERSION=0.28.0
readonly OURS=(audits beacon collective jobs models quota validators workers)

bencher=${FRAME_OMNI_BENCHER:-$cache/frame-omni-bencher-$VERSION/bin/frame-omni-bencher}
if [ ! -x "$bencher" ]; then
    folder=$cache/frame-omni-bencher-$VERSION
    echo "benchmarks: installing frame-omni-bencher $VERSION into $folder: once, about an hour" >&2
    # What the skipped WebAssembly would be for is no benchmark of pallets.
    SKIP_WASM_BUILD=1 CARGO_TARGET_DIR=$folder/target cargo install --locked --force --root "$folder" \
        frame-omni-bencher --version "$VERSION"
    rm -r "$folder/target"
fi

echo 'benchmarks: building the runtime' >&2
runtime=$(scripts/runtime-wasm.sh benchmarks-target runtime-benchmarks,production)

for pallet in "${@:-${OURS[@]}}"; do
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "pallets/$pallet/Cargo.toml" | tr - _)
    output=pallets/$pallet/src/weights/measured.rs
    echo "benchmarks: measuring $name" >&2
    mkdir -p "$(dirname "$output")"
    RUST_LOG=${RUST_LOG:-warn} "$bencher" v1 benchmark pallet --runtime "$runtime" --genesis-builder runtime \
        --genesis-builder-preset development --pallet "$name" --extrinsic '*' --no-storage-info \
        --output-analysis median-slopes --steps "${ERGON_BENCH_STEPS:-20}" --repeat "${ERGON_BENCH_REPEAT:-10}" --template scripts/weights.hbs --output "$output" >&2
    rustfmt --edition 2021 "$output"
done
