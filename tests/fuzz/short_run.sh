#!/usr/bin/env bash
# short_run.sh BUILD SECONDS: runs every libFuzzer target of a build with -Dfuzz=true for so long, from its
# committed corpus. What it finds stands in BUILD/fuzz-findings and fails the run.
set -euo pipefail
build=$1 seconds=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$build/fuzz-findings"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target in "$build"/tests/fuzz/fuzz_*; do
	[ -x "$target" ] && [ -f "$target" ] || continue
	name=$(basename "$target") && name=${name#fuzz_}
	mkdir "$work/$name"
	if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/fuzz-findings/$name-" "$work/$name" "$here/corpus/$name" \
		>"$work/$name.log" 2>&1; then
		tail -40 "$work/$name.log"
		echo "fuzzing found something in $name: $build/fuzz-findings"
		exit 1
	fi
	echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log") inputs, nothing found"
done
