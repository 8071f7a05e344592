#!/usr/bin/env bash
# The main job on a real capture: installs what is missing, builds, collects, and says where the records lie.
# Idempotent; needs nothing but Debian's packages. The capture is a day in our own house of namespaces
# (tests/lan).
set -euo pipefail
cd "$(dirname "$0")"
. scripts/packages.sh

echo "== 1. packages"
# shellcheck disable=SC2086
install_packages $packages_build

echo "== 2. build"
[ -e build/build.ninja ] || meson setup build >/dev/null
ninja -C build collector/weir

echo "== 3. collect: tests/lan/house.pcap -> weir-out"
rm -rf weir-out
build/collector/weir run -r tests/lan/house.pcap -o weir-out

echo
echo "== 4. the records: build/collector/weir read weir-out; the first ones:"
build/collector/weir read weir-out 2>/dev/null | head -n 3 | cut -c 1-400 || true
echo
echo "== 5. what leaves a gateway under this policy, field by field: build/collector/weir explain"
echo "   the same capture, everything, on standard output:"
echo "   build/collector/weir run -r tests/lan/house.pcap --profile full --format json -o -"
