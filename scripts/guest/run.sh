#!/usr/bin/env bash
# Runs one command in a small guest with a kernel of its own and cgroup v2 alone, which a host with cgroup v1 cannot
# offer. Emulated by QEMU without KVM, so that it runs on every machine.
#
#   scripts/guest/run.sh FOLDER COMMAND [ARGUMENT…]
#
# FOLDER is copied to /test of the guest; COMMAND is run there as root, and its exit code is this script's. The guest has
# busybox, btrfs, overlay, loop devices and a disk at /var/lib, and no network. What is downloaded is kept in $ATOLL_CACHE.
set -euo pipefail
. "$(dirname "$0")/../lib.sh"

cache=${ATOLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/atoll}/guest
memory_mib=1536
disk=8G
limit_seconds=${ATOLL_GUEST_SECONDS:-300}
folder=$1
shift

apt_install "a guest with a kernel of its own" qemu-system-x86 cpio busybox-static btrfs-progs

# The kernel: Debian's own for virtual machines, unpacked beside the system and never installed.
mkdir -p "$cache"
if [ ! -e "$cache/kernel/done" ]; then
    retry as_root apt-get update -qq -o Acquire::Retries=3 </dev/null >&2
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    [ -n "$package" ] || { say "no kernel for a guest can be had here"; exit 77; }
    rm -rf "$cache/kernel" && mkdir -p "$cache/kernel"
    (cd "$cache/kernel" && retry apt-get download "$package" >&2 && dpkg-deb -x ./*.deb . && rm ./*.deb)
    touch "$cache/kernel/done"
fi
kernel=$(echo "$cache"/kernel/boot/vmlinuz-*)
modules=$(echo "$cache"/kernel/lib/modules/*)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# With the folders merged into /usr, as every distribution of today has them.
mkdir -p "$work"/root/{dev,proc,sys,tmp,test,modules,new,run,var/lib,root,etc,usr/bin,usr/sbin,usr/lib,usr/lib64,usr/local}
for each in bin sbin lib lib64; do ln -s "usr/$each" "$work/root/$each"; done
cp /bin/busybox "$work/root/bin/busybox"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$work/root/etc/passwd"
printf 'root:x:0:\n' >"$work/root/etc/group"
cp -a "$folder/." "$work/root/test/"

# What is not static comes with its libraries.
cp "$(command -v mkfs.btrfs)" "$work/root/sbin/mkfs.btrfs"
for program in "$(command -v mkfs.btrfs)" "$folder"/*; do
    { ldd "$program" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | sort -u | while read -r library; do
        [ -e "$library" ] || continue
        mkdir -p "$work/root$(dirname "$library")"
        cp -L "$library" "$work/root$library"
    done
done

# Modules in the order in which they need each other.
order=$(python3 - "$modules" overlay btrfs loop virtio_pci virtio_blk <<'PY'
import os, sys
folder, wanted = sys.argv[1], sys.argv[2:]
names, seen, order = {}, set(), []
for top, _, files in os.walk(folder):
    for name in files:
        if name.endswith(".ko"):
            names[name[:-3].replace("-", "_")] = os.path.join(top, name)
needs = {}
def depends(name):
    data = open(names[name], "rb").read()
    for field in data.split(b"\0"):
        if field.startswith(b"depends="):
            return [n for n in field[8:].decode().replace("-", "_").split(",") if n]
    return []
def add(name):
    if name in seen or name not in names:
        return
    seen.add(name)
    for other in depends(name):
        add(other)
    order.append(names[name])
for soft in ["crc32c_generic", "crc32c_intel", "libcrc32c", "xxhash_generic", "blake2b_generic"] + wanted:
    add(soft)
print("\n".join(order))
PY
)
number=100
for module in $order; do
    cp "$module" "$work/root/modules/$number-$(basename "$module")"
    number=$((number + 1))
done

# A root of the kind that pivot_root refuses to leave is left first; then cgroup v2 alone.
cat >"$work/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export HOME=/root
export PATH=/sbin:/bin:/usr/bin
if [ ! -e /switched ]; then
    mount -t tmpfs -o size=1200m tmpfs /new
    for each in bin sbin lib lib64 usr dev proc sys tmp test modules run var root etc init; do
        cp -a "/$each" /new/
    done
    touch /new/switched
    exec switch_root /new /init
fi
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for module in /modules/*; do insmod "$module" || echo "no module $module"; done
ip link set lo up 2>/dev/null
chmod 1777 /tmp
mkfs.btrfs -q /dev/vda && mount -t btrfs /dev/vda /var/lib || echo "no disk"
cd /test
sh /test/.command
echo "guest exit: $?"
poweroff -f
INIT
chmod 755 "$work/root/init"
printf '%q ' "$@" >"$work/root/test/.command"
(cd "$work/root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs.gz"

truncate -s "$disk" "$work/disk"
status=0
timeout "$limit_seconds" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp 2 -m "$memory_mib" \
    -kernel "$kernel" -initrd "$work/initramfs.gz" -append "console=ttyS0 panic=-1 quiet" \
    -drive "file=$work/disk,if=virtio,format=raw,cache=unsafe" -nographic -no-reboot -nic none </dev/null | tee "$work/console" || status=$?
[ "$status" -ne 124 ] || { echo "the guest did not end within $limit_seconds s" >&2; exit 124; }
code=$(tr -d '\r' <"$work/console" | sed -n 's/^guest exit: \([0-9]*\)$/\1/p' | tail -n 1)
exit "${code:-125}"
