#!/bin/bash
# init.sh STATE LAYER FILES [CA] -- becomes the host's systemd. up.sh runs it as the first process of new mount, process,
# name, IPC and control group namespaces. LAYER is the name of the layer whose files lie in FILES.
#
# The host's /usr, /etc and /var are this machine's with the layer and what the host itself writes on top; everything
# else is its own. One overlay for each, since the kernel refuses an overlay of / whose upper part lies below /. A layer
# that is a whole system of another release uses nothing of this machine.
set -euo pipefail
state=$1 layer=$2 files=$3 ca=${4:-}
disk=$state/disk root=$state/disk/root
mount --make-rprivate /
mkdir -p "$root"
mount --bind "$root" "$root"
ground=
if [ -e "$files/.whole" ]; then ground=$files; fi
for top in usr etc var bin sbin lib lib32 lib64 libx32; do
  if [ -L "$ground/$top" ]; then
    [ -L "$root/$top" ] || cp -P "$ground/$top" "$root/$top"
  elif [ -d "$ground/$top" ]; then
    mkdir -p "$root/$top" "$disk/upper/$top" "$disk/work/$top"
    lower=
    if [ -d "$files/$top" ]; then lower=$files/$top; fi
    if [ -z "$ground" ]; then lower+=${lower:+:}/$top; fi
    mount -t overlay overlay \
      -o "lowerdir=$lower,upperdir=$disk/upper/$top,workdir=$disk/work/$top" "$root/$top"
  fi
done
cd "$root"
mkdir -p proc sys dev run tmp root home opt srv mnt media
# The host does not get what was installed by hand on this machine, nor its logs.
mkdir -p "$disk/local/bin" "$disk/log"
mount --bind "$disk/local" usr/local
mount --bind "$disk/log" var/log
# Images and containers are overlays themselves, and the kernel refuses one whose parts lie on an overlay.
for engine in dockerd:docker podman:containers; do
  if [ ! -e "usr/sbin/${engine%:*}" ] && [ ! -e "usr/bin/${engine%:*}" ]; then continue; fi
  mkdir -p "$disk/${engine#*:}" "var/lib/${engine#*:}"
  mount --bind "$disk/${engine#*:}" "var/lib/${engine#*:}"
done
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
mkdir -p var/log/nginx run/sshd
hostname immich-host

# The CA is trusted from this boot on, also if it is newer than the disk.
bundle=etc/ssl/certs/ca-certificates.crt
source=$files/$bundle
[ -e "$source" ] || source=/$bundle
if [ -n "$ca" ]; then cat "$source" "$ca" >$bundle; fi

# The edge serves both of Cloudflare's names that the host uses.
{
  printf '127.0.0.1 localhost immich-host\n::1 localhost\n'
  printf '%s api.cloudflare.com home.cloudflareaccess.localhost\n' 104.16.0.10 2606:4700::10
} >etc/hosts

if [ ! -e "$disk/prepared" ]; then
  echo immich-host >etc/hostname
  : >etc/fstab
  rm -f etc/resolv.conf etc/machine-id etc/ssh/ssh_host_*
  # An empty id would mean a first boot, on which systemd enables every unit that it finds.
  tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
  ssh-keygen -q -t ed25519 -N '' -C immich-host -f etc/ssh/ssh_host_ed25519_key
  printf 'PermitRootLogin prohibit-password\nUseDNS no\nHostKey /etc/ssh/ssh_host_ed25519_key\n' \
    >etc/ssh/sshd_config.d/00-immich-access.conf
  chmod 700 root
  for user in deploy nosudo; do useradd --root "$root" -m -s /bin/bash "$user" 2>/dev/null; done
  printf 'deploy ALL=(ALL) NOPASSWD: ALL\n' >etc/sudoers.d/deploy
  chmod 440 etc/sudoers.d/deploy
  for home in root home/deploy home/nosudo; do
    mkdir -p "$home/.ssh"
    cp "$state/key.pub" "$home/.ssh/authorized_keys"
    chown -R --reference="$home" "$home/.ssh"
    chmod 700 "$home/.ssh"
  done

  # Only what a server needs; other services that the machine has enabled do not start.
  cd etc/systemd/system
  mkdir -p multi-user.target.wants
  find . -path '*.wants/*' ! -name ssh.service ! -name nginx.service ! -name ufw.service ! -name cron.service -delete
  # An empty file masks what has its name.
  masked=(getty.target systemd-udevd.service systemd-udev-trigger.service systemd-logind.service
    systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service dev-hugepages.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-mqueue.mount
    systemd-firstboot.service systemd-networkd.service systemd-resolved.service apt-daily.timer
    apt-daily-upgrade.timer snapd.service systemd-update-utmp.service systemd-update-utmp-runlevel.service
    systemd-remount-fs.service modprobe@.service)
  rm -f "${masked[@]}"
  for unit in "${masked[@]}"; do : >"$unit"; done
  # Each boot and each reload runs all generators, for disks and terminals that the host does not have.
  mkdir -p ../system-generators
  for generator in "$root"/lib/systemd/system-generators/*; do : >"../system-generators/${generator##*/}"; done
  ln -sf /lib/systemd/system/multi-user.target default.target
  cd "$root"
  echo "$layer" >"$disk/prepared"
fi
cp etc/ssh/ssh_host_ed25519_key.pub "$state/host_key.pub"
mkdir -p .old
pivot_root . .old
exec env -i container=immich-access PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . \
  /bin/sh -c 'umount -l /.old; exec /lib/systemd/systemd --system </dev/null >/dev/null 2>&1'
