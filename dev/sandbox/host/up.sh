#!/bin/bash
# up.sh N STATE LAYER [CA] -- boots the host of sandbox N in the network namespace ia<N>-host and waits until systemd
# is up and sshd answers. LAYER comes from layer.sh; CA is a PEM file of a CA for the host to trust.
#
# STATE gets `key` (root's, to log in with), `host_key.pub`, `pid`, `console` (what the boot said) and `disk`, the
# host's files, which are kept until the layer is another one. A new disk has a new host key.
set -euo pipefail
n=${1:?usage: up.sh N STATE LAYER [CA]} state=$2 layer=$3 ca=${4:-}
# Limits in seconds for each stage of the boot, which takes 2 s in all, and many times that on a busy machine. They
# end what hangs.
patience=60
here=$(dirname "$(realpath "$0")")
mkdir -p "$state"
chmod 700 "$state"
state=$(realpath "$state")
: >"$state/console"

fail() {
  local said free
  said=$(tail -n 1 "$state/console")
  # On a full disk the console cannot be written either.
  free=$(df --output=avail "$state" | tail -n 1)
  if [ -z "$said" ] && [ "$free" -lt 64 ]; then said="$state: No space left on device"; fi
  echo "the sandbox host did not come up: $1: $said" >&2
  exit 1
}

files=$layer
[ -d "$layer" ] || files=$state/disk/layer
[ -e "$state/key" ] || ssh-keygen -q -t ed25519 -N '' -C sandbox -f "$state/key"
if [ "$(cat "$state/disk/prepared" 2>/dev/null)" != "$(basename "$layer")" ]; then
  umount "$state/disk" 2>/dev/null || true
  rm -rf "$state/disk"
  mkdir "$state/disk"
  if ! "$here/takes.sh" "$state/disk" 2>>"$state/console"; then
    mount -t tmpfs -o size=2g,mode=755 tmpfs "$state/disk"
    "$here/takes.sh" "$state/disk" 2>>"$state/console" ||
      fail "this kernel has no overlay file system for it (try modprobe overlay)"
  fi
  if [ "$files" != "$layer" ]; then
    mkdir "$files"
    # On a full disk the console could not be written either.
    if ! said=$(tar -C "$files" --numeric-owner --xattrs --xattrs-include='trusted.overlay.*' -xf "$layer" 2>&1); then
      # tar names one file after another; one of the lines has the reason.
      reason=$(grep -m 1 -o 'No space left on device' <<<"$said") || reason=${said%%$'\n'*}
      echo "the sandbox host's files cannot be unpacked to $state: $reason" >&2
      exit 1
    fi
  fi
fi

# A control group of its own, so that the inner systemd owns a clean subtree.
group=$("$here/cgroup.sh")/ia$n-host
mkdir -p "$group"
(
  echo "$BASHPID" >"$group/cgroup.procs"
  exec setsid nsenter "--net=/run/netns/ia$n-host" unshare -m -p -u -i -C --fork --kill-child \
    bash "$here/init.sh" "$state" "$(basename "$layer")" "$files" "$ca" </dev/null >>"$state/console" 2>&1
) &
outer=$!

pid="" name=""
SECONDS=0
until [ "$SECONDS" -ge "$patience" ]; do
  kill -0 "$outer" 2>/dev/null || fail "its first process ended"
  read -r pid _ 2>/dev/null <"/proc/$outer/task/$outer/children" || true
  [ -n "$pid" ] && read -r name 2>/dev/null <"/proc/$pid/comm" && [ "$name" = systemd ] && break
  sleep 0.1
done
[ "$name" = systemd ] || fail "systemd did not start"
# With the start time, so that a later process with the same number is not mistaken for it.
echo "$pid $(awk '{print $22}' "/proc/$pid/stat")" >"$state/pid"
# It waits for the end of the boot as soon as systemd listens to it.
ask=(timeout "$patience" nsenter -t "$pid" -m -n -p -u -i -C -r -w -- systemctl is-system-running --wait)
SECONDS=0
until [ "$SECONDS" -ge "$patience" ]; do
  case $("${ask[@]}" 2>/dev/null || true) in running | degraded) break ;; esac
  sleep 0.05
done
SECONDS=0
until [ "$SECONDS" -ge "$patience" ]; do
  (exec 3<>"/dev/tcp/10.77.$n.2/22") 2>/dev/null && exit 0
  sleep 0.02
done
fail "sshd does not answer"
