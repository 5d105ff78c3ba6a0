#!/bin/bash
# up.sh N [host | lan] -- makes the networks of sandbox N (1 to 250). Everything is named ia<N>-…. With `host` only the
# host's namespace is made again, empty as after a power failure: its firewall lives in the namespace, not in a process.
# With `lan` the host gets a second cable, to a network at home with another machine on it.
#
#   this machine  ia<N>-adm 10.77.N.1 fd77:N::1 --- adm0 10.77.N.2 fd77:N::2  ia<N>-host   management, for SSH only
#   ia<N>-host    wan0 198.51.100.10 2001:db8:77::10 --- ia<N>-net                          the host's way to the internet
#   ia<N>-edge    104.16.0.10 2606:4700::10 (visitors come here), 173.245.48.10 2400:cb00::10 (origin pulls leave here)
#   ia<N>-out     203.0.113.5 2001:db8:bad::5                                               strangers
#   ia<N>-net     routes between the three
#   ia<N>-host    lan0 192.168.1.10 fd00:192:168:1::10 --- eth0 192.168.1.20 fd00:192:168:1::20  ia<N>-lan   on request
set -euo pipefail
n=${1:?usage: up.sh N [host | lan]} only=${2:-}
net=ia$n-net

# at NAME: the commands of `ip` on standard input, in one namespace
at() { ip -n "ia$n-$1" -batch -; }

# space NAME [SETTING…]: one network namespace, with settings of its kernel
space() {
  local name=$1
  shift
  ip netns add "ia$n-$name"
  # Without this the first packets of IPv6 get lost while addresses are checked for duplicates.
  nsenter "--net=/run/netns/ia$n-$name" \
    sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 "$@"
}

# link SPACE INTERFACE V4-NETWORK V6-NETWORK OWN-V4 OWN-V6: a link to the router, which has the networks' first address
link() {
  at net <<END
link add to-$1 type veth peer name $2 netns ia$n-$1
addr add $3.1/24 dev to-$1
addr add $4::1/64 dev to-$1 nodad
link set to-$1 up
END
  at "$1" <<END
link set lo up
addr add $5/24 dev $2
addr add $6/64 dev $2 nodad
link set $2 up
route add default via $3.1
route add default via $4::1 dev $2
END
}

# lan: the cable to the home network, where the router is another one than the host's
lan() {
  at lan <<END
link set lo up
link add eth0 type veth peer name lan0 address 02:00:c0:a8:01:0a netns ia$n-host
addr add 192.168.1.20/24 dev eth0
addr add fd00:192:168:1::20/64 dev eth0 nodad
link set eth0 up
END
  at host <<END
addr add 192.168.1.10/24 dev lan0
addr add fd00:192:168:1::10/64 dev lan0 nodad
link set lan0 up
END
}

if [ "$only" = lan ]; then
  space lan
  lan
  exit
fi
if [ "$only" = host ]; then
  # The namespace is removed in the background; the names of its links must be free at once.
  ip -n "$net" link del to-host
  ip link del "ia$n-adm"
  [ ! -e "/run/netns/ia$n-lan" ] || ip -n "ia$n-lan" link del eth0
  ip netns del "ia$n-host"
else
  space net net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  for name in edge out; do space "$name"; done
  link edge eth0 173.245.48 2400:cb00:0:48 173.245.48.10 2400:cb00:0:48::10
  link out eth0 203.0.113 2001:db8:bad 203.0.113.5 2001:db8:bad::5
  # The edge's other addresses are routed through its link.
  at edge <<END
addr add 104.16.0.10/32 dev lo
addr add 2606:4700::10/128 dev lo
addr add 2400:cb00::10/128 dev lo
END
  at net <<END
link set lo up
route add 104.16.0.10 via 173.245.48.10
route add 2606:4700::10 via 2400:cb00:0:48::10 dev to-edge
route add 2400:cb00::10 via 2400:cb00:0:48::10 dev to-edge
END
fi

space host
link host wan0 198.51.100 2001:db8:77 198.51.100.10 2001:db8:77::10
ip -batch - <<END
link add ia$n-adm type veth peer name adm0 netns ia$n-host
addr add 10.77.$n.1/30 dev ia$n-adm
addr add fd77:$n::1/64 dev ia$n-adm nodad
link set ia$n-adm up
END
at host <<END
addr add 10.77.$n.2/30 dev adm0
addr add fd77:$n::2/64 dev adm0 nodad
link set adm0 up
END
if [ -e "/run/netns/ia$n-lan" ]; then lan; fi
