#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests of pallets and runtime that are named after the attack that they prevent. Fails also if one of the names below
# matches no test any more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly NAMES=(
    attacks:: lanes:: split_into_100 answers_that_fail nonce_replay stale_ticket ticket_is_refused hoarded_tickets
    tickets_and_newcomers newcomers_together
)

output=$(mktemp)
trap 'rm -f "$output"' EXIT
scripts/cargo.sh test --release --workspace -- "${NAMES[@]}" | tee "$output"
for name in "${NAMES[@]}"; do
    grep -q "^test .*$name.* \.\.\. ok$" "$output" || {
        echo "attack-tests: no test is named *$name*: give it that name again, or change NAMES in scripts/attack-tests.sh" >&2
        exit 1
    }
done
