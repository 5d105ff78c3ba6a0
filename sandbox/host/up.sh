#!/bin/bash
# up.sh N STATE LAYER [NAME] -- boots the host of sandbox N in the network namespace ia<N>-host and waits until systemd
# is up and sshd answers. STATE gets its keys, its process id and what it said; LAYER comes from layer.sh.
set -euo pipefail
n=${1:?usage: up.sh N STATE LAYER [NAME]} state=$2 layer=$3 name=${4:-host}
here=$(dirname "$(realpath "$0")")
mkdir -p "$state/fs"
chmod 700 "$state"
state=$(realpath "$state")
[ -e "$state/key" ] || ssh-keygen -q -t ed25519 -N '' -C sandbox -f "$state/key"
[ -e "$state/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$state/host_key"

# A control group of its own, so that the inner systemd owns a clean subtree.
group=$(findmnt -n -t cgroup2 -o TARGET | head -1)/ia$n-$name
mkdir -p "$group"
(
  echo "$BASHPID" >"$group/cgroup.procs"
  exec setsid nsenter "--net=/run/netns/ia$n-host" unshare -m -p -u -i -C --fork --kill-child \
    bash "$here/init.sh" "$state" "$layer" "$name" </dev/null >"$state/console" 2>&1
) &
outer=$!

fail() {
  echo "the sandbox host did not come up: $1" >&2
  tail -5 "$state/console" >&2
  exit 1
}
pid=
for _ in $(seq 1000); do
  kill -0 "$outer" 2>/dev/null || fail "its first process ended"
  pid=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null | tr -d ' ')
  [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ] && break
  sleep 0.01
done
[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ] || fail "systemd did not start"
# With the start time, so that another process that got the number is never taken for it.
echo "$pid $(awk '{print $22}' "/proc/$pid/stat")" >"$state/pid"
inside() { nsenter -t "$pid" -m -n -p -u -i -C -r -w -- "$@"; }
for _ in $(seq 400); do
  case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) break ;; esac
  sleep 0.02
done
for _ in $(seq 200); do
  (exec 3<>"/dev/tcp/10.77.$n.2/22") 2>/dev/null && exit 0
  sleep 0.02
done
fail "sshd does not answer"
