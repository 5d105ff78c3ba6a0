#!/bin/bash
# down.sh [--keep] N STATE -- ends the host of sandbox N and removes what it left, whatever is still there of it. With
# --keep its keys and its disk stay for the next boot.
set -u
keep=
if [ "${1:-}" = --keep ]; then keep=1 && shift; fi
n=${1:?usage: down.sh [--keep] N STATE} state=${2:?usage: down.sh [--keep] N STATE}
if read -r pid started <"$state/pid" 2>/dev/null; then
  # Its first process takes all others of the host with it, and the mounts go with the last.
  if [ "$(awk '{print $22}' "/proc/$pid/stat" 2>/dev/null)" = "$started" ]; then
    kill -KILL "$pid"
    for _ in $(seq 100); do
      [ -e "/proc/$pid" ] || break
      sleep 0.05
    done
  fi
  rm -f "$state/pid"
fi
# Whatever a boot left that was cut short before it knew its process id.
for mount in $(findmnt -n -t cgroup2 -o TARGET); do
  group=$mount/ia$n-host
  for _ in $(seq 100); do
    [ -d "$group" ] || break
    find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do kill -KILL "$pid" 2>/dev/null; done
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    sleep 0.02
  done
done
[ -n "$keep" ] && exit 0
umount "$state/disk" 2>/dev/null
rm -rf "$state"
