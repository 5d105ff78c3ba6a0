#!/bin/bash
# layer.sh FILE PACKAGE… -- installs Debian packages on top of this machine's own files without touching the machine,
# and keeps what they add as the tar FILE. A sandbox host is booted from the machine's files with that on top.
#
# It works in a mount namespace of its own, on an overlay. The overlay's upper folder is on a tmpfs, because the kernel
# refuses one that lies below its own lower folder.
set -euo pipefail
if [ "${1:-}" != --inside ]; then
  exec unshare --mount --propagation private bash "$0" --inside "$@"
fi
shift
file=$1
shift
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
# Nothing that is installed gets started.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
apt=(chroot "$root" apt-get -qq -o DPkg::Lock::Timeout=60 -o Acquire::Retries=2 -o Acquire::http::Timeout=30)
"${apt[@]}" update </dev/null
"${apt[@]}" install -y --no-install-recommends "$@" </dev/null
"${apt[@]}" clean
rm -f "$root/usr/sbin/policy-rc.d"
umount -l "$root/proc" "$root/dev" "$root/run" "$root/tmp"
rm -rf "$work/upper/var/lib/apt/lists" "$work/upper/var/log" "$work/upper/root" "$work/upper/home"
mkdir -p "$(dirname "$file")"
# Whiteouts are device files; that a folder hides the one below it is an attribute in the trusted namespace.
tar -C "$work/upper" --xattrs --xattrs-include='trusted.overlay.*' -cf "$file.$$" .
mv "$file.$$" "$file"
