#!/bin/bash
# down.sh N STATE -- ends the host of sandbox N, or what is left of it. Its keys and its disk stay for the next
# boot. Fails if something of it still runs, so that no other host gets its number.
set -u
n=${1:?usage: down.sh N STATE} state=${2:?usage: down.sh N STATE}
# Limit in seconds for each of the two parts, which take some milliseconds, and many times that on a busy machine.
patience=30
[[ $n =~ ^[0-9]+$ ]] || {
  echo "usage: down.sh N STATE: «$n» is no number" >&2
  exit 2
}
if read -r pid started <"$state/pid" 2>/dev/null; then
  # The end of the first process ends all others of the host, and the last one releases the mounts.
  if [ "$(awk '{print $22}' "/proc/$pid/stat" 2>/dev/null)" = "$started" ]; then
    kill -KILL "$pid"
    SECONDS=0
    while [ -e "/proc/$pid" ] && [ "$SECONDS" -lt "$patience" ]; do sleep 0.05; done
  fi
  rm -f "$state/pid"
fi
# Processes of a boot that was cut short before it wrote its process id.
SECONDS=0
for mount in $(findmnt -n -t cgroup2 -o TARGET); do
  group=$mount/ia$n-host
  while [ -d "$group" ]; do
    find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do kill -KILL "$pid" 2>/dev/null; done
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$group" ] || break
    if [ "$SECONDS" -ge "$patience" ]; then
      echo "the sandbox host $n does not end: its processes are in $group" >&2
      exit 1
    fi
    sleep 0.02
  done
done
exit 0
