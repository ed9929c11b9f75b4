#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what building, testing and the demo need on a Debian machine that has git, make and rustup:
# system packages, the pinned Rust toolchain, and a target to compile the runtime to WebAssembly.
# What is there already is left alone, so a second run changes nothing.
#
#   scripts/setup.sh                          install, one line a step
#   scripts/setup.sh packages                 install the system packages only
#   scripts/setup.sh --print-wasm-toolchain   print the value that WASM_BUILD_TOOLCHAIN needs (empty: none), install nothing
#
# The target comes from rustup. Where rustup can't download it, Debian's own second toolchain makes it; WASM_BUILD_TOOLCHAIN=debian
# in the environment asks for that one.
# Packages are installed as root, or through sudo; who has neither is told the command to have somebody run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly TARGET=wasm32v1-none
readonly FALLBACK=debian
readonly SYSROOT=/usr/lib/rustlib

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
may_be_root() { [ "$(id -u)" = 0 ] || has sudo; }
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif has sudo; then sudo "$@"
    else fail "this needs root, and there is no sudo; have root run: $*"; fi
}
has_package() { [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = 'install ok installed' ]; }

rustup_has_target() { rustup target list --installed 2>/dev/null | grep -qx "$TARGET"; }
fallback_has_target() {
    rustup toolchain list 2>/dev/null | grep -q "^$FALLBACK\b" && compgen -G "$SYSROOT/$TARGET/lib/libcore-*.rlib" >/dev/null
}

# What the wasm build has to be told: nothing when the pinned toolchain has the target.
wasm_toolchain() {
    if [ "${WASM_BUILD_TOOLCHAIN:-}" = "$FALLBACK" ]; then echo "$FALLBACK"
    elif [ -n "${WASM_BUILD_TOOLCHAIN:-}" ]; then echo "$WASM_BUILD_TOOLCHAIN"
    elif ! rustup_has_target && fallback_has_target; then echo "$FALLBACK"
    fi
}

# Installs those of the packages that are missing; $1 says what for.
apt_install() {
    local purpose=$1 missing=() package as_root_run; shift
    for package in "$@"; do has_package "$package" || missing+=("$package"); done
    if [ ${#missing[@]} = 0 ]; then say "$purpose: there"; return; fi
    has apt-get || fail "$purpose: missing ${missing[*]}; this machine has no apt-get, install them by hand"
    as_root_run=$'have root run this, then try again:\n'"    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    may_be_root || fail "$purpose: some are missing, and this user is not root and has no sudo; $as_root_run"
    say "$purpose: installing ${missing[*]}"
    as_root apt-get update -qq || fail "$purpose: apt-get update failed; check the network, or $as_root_run"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "$purpose: apt-get could not install ${missing[*]}; fix what it says above, or $as_root_run"
}

# One step, so that who has to ask for root asks once.
system_packages() {
    local wanted=(protobuf-compiler clang libclang-dev)
    has c++ || wanted+=(g++)
    # Vulkan without a GPU, twice over: Mesa's llvmpipe, and the SwiftShader that Chromium brings.
    wanted+=(mesa-vulkan-drivers chromium)
    has python3 && python3 -m pip --version >/dev/null 2>&1 || wanted+=(python3-pip)
    has python3 && python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || wanted+=(python3-venv)
    has npm || wanted+=(npm)
    apt_install 'system packages' "${wanted[@]}"
}

rust_toolchain() {
    has rustup || fail 'Rust: rustup is missing; install it from https://rustup.rs and run this again'
    local channel
    channel=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
    if cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1; then say "Rust $channel: there"; return; fi
    say "Rust $channel: installing"
    rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt >/dev/null 2>&1 ||
        fail "Rust $channel: rustup could not install it; check the network"
}

# Builds core and alloc for the target with Debian's compiler and makes that compiler known to rustup.
fallback_toolchain() {
    apt_install "second Rust toolchain for $TARGET" rustc-web cargo-web rust-web-src
    if fallback_has_target; then say "$TARGET in Debian's toolchain: there"; return; fi
    say "$TARGET in Debian's toolchain: building core and alloc"
    local work host lld
    work=$(mktemp -d)
    mkdir "$work/src"
    printf '[package]\nname = "dummy"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
    printf '#![no_std]\n' >"$work/src/lib.rs"
    # The runtime is linked with LTO, which needs the bitcode of these two as well.
    (cd "$work" && env -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$work/target" \
        RUSTFLAGS='-C embed-bitcode=yes' RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        /usr/bin/cargo build --quiet --release -Z build-std=core,alloc --target "$TARGET") ||
        fail "$TARGET in Debian's toolchain: core and alloc don't build"
    as_root mkdir -p "$SYSROOT/$TARGET/lib"
    as_root cp "$work/target/$TARGET/release/deps/"lib{core,alloc,compiler_builtins}-*.rlib "$SYSROOT/$TARGET/lib/"
    rm -rf "$work"
    host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
    lld=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
    [ -x "$lld" ] || fail "$TARGET in Debian's toolchain: no rust-lld in the pinned toolchain"
    as_root mkdir -p "$SYSROOT/$host/bin"
    [ -e "$SYSROOT/$host/bin/rust-lld" ] || as_root ln -s "$lld" "$SYSROOT/$host/bin/rust-lld"
    rustup toolchain list | grep -q "^$FALLBACK\b" || rustup toolchain link "$FALLBACK" /usr
}

wasm_target() {
    if [ "${WASM_BUILD_TOOLCHAIN:-}" = "$FALLBACK" ]; then fallback_toolchain; return; fi
    if rustup_has_target; then say "$TARGET: there"; return; fi
    if rustup target add "$TARGET" >/dev/null 2>&1; then say "$TARGET: added by rustup"; return; fi
    say "$TARGET: rustup can't download it, taking Debian's toolchain"
    fallback_toolchain
}

case "${1:-}" in
    --print-wasm-toolchain) wasm_toolchain ;;
    packages) system_packages ;;
    '') system_packages; rust_toolchain; wasm_target; say 'done' ;;
    *) fail "unknown argument $1; see the head of this script" ;;
esac
