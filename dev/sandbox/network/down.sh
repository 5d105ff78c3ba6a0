#!/bin/bash
# down.sh N -- removes the networks of sandbox N, or what is left of them. Fails if one stays.
set -u
n=${1:?usage: down.sh N}
failed=0
[ ! -e "/sys/class/net/ia$n-adm" ] || ip link del "ia$n-adm" || failed=1
for space in host edge out net lan; do
  [ ! -e "/run/netns/ia$n-$space" ] || ip netns del "ia$n-$space" || failed=1
done
exit "$failed"
