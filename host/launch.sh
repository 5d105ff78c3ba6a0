#!/bin/sh
# Runs the host agent as root. Standard input has the request; $1 names the step.
set -eu
sudo=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "immich-access: $(id -un) is not root and there is no sudo; set sshUser to root or install sudo" >&2
    exit 1
  fi
  # -k: a password that somebody has typed lately does not count.
  if ! sudo -n -k true 2>/dev/null; then
    echo "immich-access: sudo asks $(id -un) for a password; allow it without one: echo \"$(id -un) ALL=(ALL) NOPASSWD: ALL\" | sudo tee /etc/sudoers.d/immich-access" >&2
    exit 1
  fi
  sudo="sudo -n"
fi
if [ ! -x /usr/bin/python3 ]; then
  echo "immich-access: installing python3" >&2
  $sudo apt-get install -qq -y python3 </dev/null >/dev/null 2>&1 || {
    echo "immich-access: /usr/bin/python3 is missing and apt-get cannot install it; install python3" >&2
    exit 1
  }
fi
exec $sudo /usr/bin/python3 -I -c "import json,sys;r=json.load(sys.stdin);exec(r['load'])" "$1"
