#!/bin/sh
# What dhclient and udhcpc call when something about the lease of eth0 changes.
# dhclient says why in $reason, udhcpc in its argument; their variables differ too.
address=${new_ip_address:-$ip}
mask=${new_subnet_mask:-$subnet}
gateway=${new_routers:-$router}
case ${reason:-$1} in
BOUND | RENEW | REBIND | REBOOT | bound | renew)
	ip addr replace "$address/$mask" dev eth0
	[ -z "$gateway" ] || ip route replace default via "$gateway"
	;;
RELEASE | EXPIRE | STOP | deconfig)
	ip -4 addr flush dev eth0
	ip link set eth0 up
	;;
esac
