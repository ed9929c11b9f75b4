#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks what the node is packaged with: the Dockerfile by hadolint, the systemd unit by systemd, and that each file of the Debian package is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../node"
tools=${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}/packaging-tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'packaging: %s\n' "$*" >&2; exit 1; }

if ! cmp -s packaging/requirements.txt "$tools/requirements.txt"; then
    echo "packaging: installing hadolint into $tools" >&2
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement packaging/requirements.txt
    cp packaging/requirements.txt "$tools"
fi
"$tools/bin/hadolint" packaging/Dockerfile

command -v systemd-analyze >/dev/null || fail "systemd-analyze is missing; 'apt-get install systemd' installs it"
# Any program will do in place of the node, which is not installed here.
sed 's#^ExecStart=/usr/bin/ergon-node#ExecStart=/bin/true#' packaging/ergon-node.service >"$work/ergon-node.service"
# An unknown key is a warning to systemd.
complaints=$(systemd-analyze verify "$work/ergon-node.service" 2>&1) && [ -z "$complaints" ] || fail "$complaints"

sed -n '/^\[package.metadata.deb\]/,/^\[lints\]\|^\[dependencies\]/p' Cargo.toml >"$work/deb"
sed -n 's/^    \["\([^"]*\)".*/\1/p' "$work/deb" >"$work/assets"
[ -s "$work/assets" ] || fail 'Cargo.toml lists no files for the Debian package'
while read -r file; do
    case $file in target/*) ;; *) [ -f "$file" ] || fail "Cargo.toml lists $file, which is missing" ;; esac
done <"$work/assets"
sh -n packaging/debian/postinst
echo 'packaging: ok'
