#!/bin/bash
# down.sh N STATE -- ends the host of sandbox N, whatever is still there of it. Its keys and its disk stay for the next
# boot.
set -u
n=${1:?usage: down.sh N STATE} state=${2:?usage: down.sh N STATE}
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
exit 0
