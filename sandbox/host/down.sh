#!/bin/bash
# down.sh N STATE [NAME] -- ends the host of sandbox N and removes what it left, whatever is still there of it.
set -u
n=${1:?usage: down.sh N STATE [NAME]} state=$2 name=${3:-host}
if read -r pid started <"$state/pid" 2>/dev/null; then
  # Its first process takes all others of the host with it, and the mounts go with the last.
  if [ "$(awk '{print $22}' "/proc/$pid/stat" 2>/dev/null)" = "$started" ]; then
    kill -KILL "$pid"
    for _ in $(seq 250); do
      [ -e "/proc/$pid" ] || break
      sleep 0.02
    done
  fi
fi
group=$(findmnt -n -t cgroup2 -o TARGET | head -1)/ia$n-$name
for _ in $(seq 100); do
  [ -d "$group" ] || break
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
  sleep 0.02
done
rm -rf "$state"
