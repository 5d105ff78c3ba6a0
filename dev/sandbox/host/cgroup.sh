#!/bin/bash
# cgroup.sh -- prints where this machine's cgroup2 file system is mounted; mounts one of the sandbox's own if it has none.
set -euo pipefail
# findmnt fails where there is none.
group=$(findmnt -n -t cgroup2 -o TARGET | head -1) || true
if [ -z "$group" ]; then
  group=/run/immich-access-sandbox/cgroup
  mkdir -p "$group"
  mount -t cgroup2 cgroup2 "$group" 2>/dev/null || {
    echo "this kernel has no cgroup2, which the sandbox host's systemd needs" >&2
    exit 1
  }
fi
echo "$group"
