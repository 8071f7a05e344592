#!/usr/bin/env bash
# Installs what is missing, builds and passes every test: with gcc, with clang under AddressSanitizer and
# UndefinedBehaviorSanitizer, and a short run of every fuzz target. Idempotent.
#
# A test that lacks what it needs (namespaces, Java, ../shared/corpus) says so and is skipped; with
# WEIR_NO_SKIPS=1 a skipped test is a failure, but for those that need ../shared/corpus where it is absent.
set -euo pipefail
cd "$(dirname "$0")"
. scripts/packages.sh
fuzz_seconds=${WEIR_FUZZ_SECONDS:-5}

echo "== packages"
# shellcheck disable=SC2086
install_packages $packages_build $packages_test

echo "== house rules: layout, includes, formatting"
tests/tidy.py
git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror

echo "== gcc: build and test"
# A build folder that demo.sh made has not met the packages that only tests need.
if [ -e build/build.ninja ]; then
	meson configure build --clearcache
	meson setup --reconfigure build >/dev/null
else
	meson setup build >/dev/null
fi
ninja -C build
meson test -C build --print-errorlogs

echo "== clang, AddressSanitizer and UndefinedBehaviorSanitizer: build and test"
[ -e build-asan/build.ninja ] || CC=clang meson setup build-asan -Dbuildtype=debugoptimized -Db_ndebug=false \
	-Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true >/dev/null
ninja -C build-asan
meson test -C build-asan --print-errorlogs --timeout-multiplier 4

echo "== fuzzing, $fuzz_seconds s a target"
tests/fuzz/short_run.sh build-asan "$fuzz_seconds"

echo "== skipped tests"
tests/skipped.py build build-asan
