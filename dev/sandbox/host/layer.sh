#!/bin/bash
# layer.sh [--release NAME] LAYER PACKAGE… -- installs Debian packages on top of this machine's own files without
# touching the machine, and keeps what they add as the folder LAYER, which all hosts share. A sandbox host is booted from
# the machine's files with that on top. With --release, LAYER becomes a whole Debian of that code name instead, from the
# archives in the machine's apt configuration; where those do not have it, the exit status is 3. Where the file system
# of LAYER cannot hold a part of an overlay, it becomes the tar LAYER.tar, which each host unpacks for itself.
#
# It works in a mount namespace of its own, on an overlay. The overlay's upper folder is on a tmpfs, because the kernel
# refuses one that lies below its own lower folder.
set -euo pipefail
if [ "${1:-}" != --inside ]; then
  exec unshare --mount --propagation private bash "$0" --inside "$@"
fi
shift
release=
if [ "$1" = --release ]; then release=$2 && shift 2; fi
layer=$1
shift
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
# The mounts go with the namespace; only the empty folder is left.
trap 'cd /; umount -l "$work" 2>/dev/null; rmdir "$work" 2>/dev/null' EXIT
mount -t tmpfs -o size=2g,mode=755 tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
root=$work/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# Name resolution may be configured under /run.
cp --remove-destination "$(realpath /etc/resolv.conf)" "$root/etc/resolv.conf"
# Installed services are not started.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Nobody reads manual pages there, and their index takes longer than all packages on a busy machine.
rm -f "$root/var/lib/man-db/auto-update"
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
apt=(chroot "$root" apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=2 -o Acquire::http::Timeout=30)
"${apt[@]}" update </dev/null
mkdir -p "$(dirname "$layer")"

# keep: the layer from the tar on standard input. Owners are numeric, because the names are those of another system.
keep() {
  if ! "$here/takes.sh" "$(dirname "$layer")" 2>/dev/null; then
    cat >"$layer.tar.$$"
    mv "$layer.tar.$$" "$layer.tar"
    return
  fi
  mkdir "$layer.$$"
  tar -C "$layer.$$" --numeric-owner --xattrs --xattrs-include='trusted.overlay.*' -xf -
  mv "$layer.$$" "$layer"
}

# archives KEYRING: the machine's archives of Debian itself, in the form of sources.list, for the other release
archives() {
  local codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  # shellcheck disable=SC2016 # These are apt's variables.
  chroot "$root" apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    sed -n "s|^Debian main \([^ ]*\) $codename\([^ ]*\)$|deb [signed-by=$1] \1 $release\2 main|p" | sort -u
}

if [ -n "$release" ]; then
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  archives "$keyring" >"$root/tmp/archives"
  uri=$(awk -v release="$release" '$4 == release { print $3; exit }' "$root/tmp/archives")
  if [ -z "$uri" ] || [ ! -e "$keyring" ]; then
    echo "this machine's apt has no archive of Debian" >&2
    exit 3
  fi
  fetch=(/usr/lib/apt/apt-helper download-file "${uri}dists/$release/InRelease" /tmp/release)
  if ! said=$(chroot "$root" "${fetch[@]}" 2>&1); then
    echo "the Debian archive of this machine's apt has no $release: $(grep -m 1 '^E: ' <<<"$said")" >&2
    exit 3
  fi
  "${apt[@]}" install -y --no-install-recommends mmdebstrap </dev/null
  # The mark is for init.sh.
  # shellcheck disable=SC2016 # mmdebstrap's shell knows where the system lies.
  chroot "$root" mmdebstrap --quiet --mode=root --variant=minbase --format=tar --include="$(IFS=, && echo "$*")" \
    --customize-hook='touch "$1/.whole"' "$release" - /tmp/archives </dev/null | keep
else
  "${apt[@]}" install -y --no-install-recommends "$@" </dev/null
  "${apt[@]}" clean
  rm -f "$root/usr/sbin/policy-rc.d"
  umount -l "$root/proc" "$root/dev" "$root/run" "$root/tmp"
  rm -rf "$work/upper/var/lib/apt/lists" "$work/upper/var/log" "$work/upper/root" "$work/upper/home"
  # Whiteouts are device files; that a folder hides the one below it is an attribute in the trusted namespace.
  tar -C "$work/upper" --xattrs --xattrs-include='trusted.overlay.*' -cf - . | keep
fi
