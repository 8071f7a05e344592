# What Weir needs of Debian 12, by purpose; sourced by demo.sh and test.sh. Installs only what is missing.

packages_build="gcc meson ninja-build pkg-config python3 libpcap-dev libndpi-dev libzstd-dev zlib1g-dev librdkafka-dev
libyaml-dev libpsl-dev libssl-dev libcmocka-dev ieee-data publicsuffix ca-certificates"
packages_test="libdpdk-dev clang clang-format libclang-rt-14-dev tcpdump tshark libndpi-bin iproute2 ethtool dnsmasq-base
nginx-light avahi-daemon isc-dhcp-client udhcpc dhcpcd-base busybox curl openssl util-linux python3-protobuf protobuf-compiler kcat
zstd default-jre-headless maven valgrind"

# What bench/run measures Weir beside.
packages_bench="libndpi-bin pmacct softflowd argus-server nfdump tcpdump valgrind"

# install_packages PACKAGE...: apt-get, only for what is not there yet.
install_packages() {
	missing=""
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	echo "== installing:$missing"
	sudo=""
	[ "$(id -u)" = 0 ] || sudo="sudo"
	$sudo apt-get update -qq
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
