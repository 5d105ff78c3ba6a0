#!/bin/bash
# init.sh STATE LAYER NAME -- becomes the host's systemd. up.sh runs it as the first process of new mount, process,
# name, IPC and control group namespaces. The host's files are this machine's with the layer on top, in memory.
set -euo pipefail
state=$1 layer=$2 name=$3
root=$state/fs/root
mount --make-rprivate /
mount -t tmpfs -o size=2g,mode=755 tmpfs "$state/fs"
mkdir "$state"/fs/{layer,upper,work,root}
tar -C "$state/fs/layer" --xattrs --xattrs-include='trusted.overlay.*' -xf "$layer"
mount -t overlay overlay -o "lowerdir=$state/fs/layer:/,upperdir=$state/fs/upper,workdir=$state/fs/work" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# The machine's homes and logs are none of the host's business.
mount -t tmpfs -o mode=700 tmpfs root
mount -t tmpfs -o mode=755 tmpfs home
mount -t tmpfs -o mode=755 tmpfs var/log
mkdir -p var/log/nginx run/sshd

echo "$name" >etc/hostname
hostname "$name"
: >etc/fstab
rm -f etc/resolv.conf etc/machine-id etc/ssh/ssh_host_*
# An empty id would mean a first boot, on which systemd enables every unit that it finds.
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
{
  printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name"
  printf '104.16.0.10 api.cloudflare.com\n2606:4700::10 api.cloudflare.com\n'
} >etc/hosts

cp "$state/host_key" etc/ssh/ssh_host_ed25519_key
chmod 600 etc/ssh/ssh_host_ed25519_key
printf 'PermitRootLogin prohibit-password\nUseDNS no\nHostKey /etc/ssh/ssh_host_ed25519_key\n' \
  >etc/ssh/sshd_config.d/00-immich-access.conf
for user in deploy nosudo; do useradd --root "$root" -m -s /bin/bash "$user" 2>/dev/null; done
printf 'deploy ALL=(ALL) NOPASSWD: ALL\n' >etc/sudoers.d/deploy
chmod 440 etc/sudoers.d/deploy
for home in root home/deploy home/nosudo; do
  mkdir -p "$home/.ssh"
  cp "$state/key.pub" "$home/.ssh/authorized_keys"
  chown -R --reference="$home" "$home/.ssh"
  chmod 700 "$home/.ssh"
done
if [ -e "$state/../api/ca/public-ca.pem" ]; then
  cat "$state/../api/ca/public-ca.pem" >>etc/ssl/certs/ca-certificates.crt
fi

# Only what such a server needs; whatever else the machine has enabled is not started.
cd etc/systemd/system
mkdir -p multi-user.target.wants
find . -path '*.wants/*' ! -name ssh.service ! -name nginx.service ! -name ufw.service ! -name cron.service -delete
for unit in getty.target systemd-udevd.service systemd-udev-trigger.service systemd-logind.service \
  systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service dev-hugepages.mount \
  sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-mqueue.mount \
  systemd-firstboot.service systemd-networkd.service systemd-resolved.service apt-daily.timer \
  apt-daily-upgrade.timer snapd.service; do
  ln -sf /dev/null "$unit"
done
ln -sf /lib/systemd/system/multi-user.target default.target
cd "$root"
mkdir -p .old
pivot_root . .old
exec env -i container=immich-access PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . \
  /bin/sh -c 'umount -l /.old; exec /lib/systemd/systemd --system </dev/null >/dev/null 2>&1'
