#!/bin/bash
# down.sh N -- removes the networks of sandbox N, or what is left of them.
set -u
n=${1:?usage: down.sh N}
[ -e "/sys/class/net/ia$n-adm" ] && ip link del "ia$n-adm"
for space in host edge out net; do
  [ -e "/run/netns/ia$n-$space" ] && ip netns del "ia$n-$space"
done
exit 0
