#!/bin/bash
# up.sh N [host] -- makes the networks of sandbox N (1 to 250). Everything is named ia<N>-…. With `host` only the
# host's namespace is made again, empty as after a power failure: its firewall lives in the namespace, not in a process.
#
#   this machine  ia<N>-adm 10.77.N.1 fd77:N::1 --- adm0 10.77.N.2 fd77:N::2  ia<N>-host   management, for SSH only
#   ia<N>-host    wan0 198.51.100.10 2001:db8:77::10 --- ia<N>-net                          the host's way to the internet
#   ia<N>-edge    104.16.0.10 2606:4700::10 (visitors come here), 173.245.48.10 2400:cb00::10 (origin pulls leave here)
#   ia<N>-out     203.0.113.5 2001:db8:bad::5                                               strangers
#   ia<N>-net     routes between the three
set -euo pipefail
n=${1:?usage: up.sh N [host]} only=${2:-}
net=ia$n-net

# space NAME: one network namespace
space() {
  ip netns add "ia$n-$1"
  # Without this the first packets of IPv6 get lost while addresses are checked for duplicates.
  ip netns exec "ia$n-$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
  ip -n "ia$n-$1" link set lo up
}

# link SPACE INTERFACE V4-NETWORK V6-NETWORK OWN-V4 OWN-V6: one cable to the router, which has the networks' first address
link() {
  ip -n "$net" link add "to-$1" type veth peer name "$2" netns "ia$n-$1"
  ip -n "$net" addr add "$3.1/24" dev "to-$1"
  ip -n "$net" -6 addr add "$4::1/64" dev "to-$1" nodad
  ip -n "$net" link set "to-$1" up
  ip -n "ia$n-$1" addr add "$5/24" dev "$2"
  ip -n "ia$n-$1" -6 addr add "$6/64" dev "$2" nodad
  ip -n "ia$n-$1" link set "$2" up
  ip -n "ia$n-$1" route add default via "$3.1"
  ip -n "ia$n-$1" -6 route add default via "$4::1" dev "$2"
}

if [ "$only" = host ]; then
  # The namespace is removed in the background; the names of its cables must be free at once.
  ip -n "$net" link del to-host
  ip link del "ia$n-adm"
  ip netns del "ia$n-host"
else
  for name in net edge out; do space "$name"; done
  ip netns exec "$net" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  link edge eth0 173.245.48 2400:cb00:0:48 173.245.48.10 2400:cb00:0:48::10
  link out eth0 203.0.113 2001:db8:bad 203.0.113.5 2001:db8:bad::5
  # The edge's other addresses lie behind its cable.
  for address in 104.16.0.10/32 2606:4700::10/128 2400:cb00::10/128; do
    ip -n "ia$n-edge" addr add "$address" dev lo
  done
  ip -n "$net" route add 104.16.0.10 via 173.245.48.10
  ip -n "$net" -6 route add 2606:4700::10 via 2400:cb00:0:48::10 dev to-edge
  ip -n "$net" -6 route add 2400:cb00::10 via 2400:cb00:0:48::10 dev to-edge
fi

space host
link host wan0 198.51.100 2001:db8:77 198.51.100.10 2001:db8:77::10
ip link add "ia$n-adm" type veth peer name adm0 netns "ia$n-host"
ip addr add "10.77.$n.1/30" dev "ia$n-adm"
ip -6 addr add "fd77:$n::1/64" dev "ia$n-adm" nodad
ip link set "ia$n-adm" up
ip -n "ia$n-host" addr add "10.77.$n.2/30" dev adm0
ip -n "ia$n-host" -6 addr add "fd77:$n::2/64" dev adm0 nodad
ip -n "ia$n-host" link set adm0 up
