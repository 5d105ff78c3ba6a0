#!/bin/bash
# down.sh N -- removes the networks of sandbox N, or what is left of them.
set -u
n=${1:?usage: down.sh N}
ip link show "ia$n-adm" >/dev/null 2>&1 && ip link del "ia$n-adm"
for space in host edge out net; do
  ip netns list | grep -qw "^ia$n-$space" && ip netns del "ia$n-$space"
done
exit 0
