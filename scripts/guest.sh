#!/usr/bin/env bash
# Runs one command in a small guest with a kernel of its own and cgroup v2 alone, which a host with cgroup v1 cannot
# offer. Emulated by QEMU without KVM, so that it runs on every machine.
#
#   scripts/guest.sh FOLDER COMMAND [ARGUMENT…]
#
# FOLDER is copied to /test of the guest; COMMAND is run there as root, and its exit code is this script's. The guest has
# busybox, btrfs, overlay and loop devices, and no network. What is downloaded is kept in $ATOLL_CACHE.
set -euo pipefail

cache=${ATOLL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/atoll}/guest
memory_mib=1536
limit_seconds=${ATOLL_GUEST_SECONDS:-300}
folder=$1
shift

need() { command -v "$1" >/dev/null || missing+=("$2"); }
missing=()
need qemu-system-x86_64 qemu-system-x86
need cpio cpio
need mkfs.btrfs btrfs-progs
[ -x /bin/busybox ] || missing+=(busybox-static)
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}" >&2
    apt-get install -y --no-install-recommends "${missing[@]}" >&2
fi

# The kernel: Debian's own for virtual machines, unpacked beside the system and never installed.
mkdir -p "$cache"
if [ ! -e "$cache/kernel/done" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    if [ -z "$package" ]; then
        apt-get update >&2
        package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    fi
    rm -rf "$cache/kernel" && mkdir -p "$cache/kernel"
    (cd "$cache/kernel" && apt-get download "$package" >&2 && dpkg-deb -x ./*.deb . && rm ./*.deb)
    touch "$cache/kernel/done"
fi
kernel=$(echo "$cache"/kernel/boot/vmlinuz-*)
modules=$(echo "$cache"/kernel/lib/modules/*)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/root/{bin,sbin,dev,proc,sys,tmp,test,modules,new,usr/bin,usr/lib,usr/local,lib,etc}
cp /bin/busybox "$work/root/bin/busybox"
cp -a "$folder/." "$work/root/test/"

# mkfs.btrfs is not static: it comes with its libraries.
mkfs=$(command -v mkfs.btrfs)
cp "$mkfs" "$work/root/sbin/mkfs.btrfs"
ldd "$mkfs" | grep -o '/[^ ]*' | sort -u | while read -r library; do
    mkdir -p "$work/root$(dirname "$library")"
    cp -L "$library" "$work/root$library"
done

# Modules in the order in which they need each other.
order=$(python3 - "$modules" overlay btrfs loop <<'PY'
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
export PATH=/sbin:/bin:/usr/bin
if [ ! -e /switched ]; then
    mount -t tmpfs -o size=1200m tmpfs /new
    for each in bin sbin dev proc sys tmp test modules usr lib lib64 etc init; do
        [ -e "/$each" ] && cp -a "/$each" /new/
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
cd /test
sh /test/.command
echo "guest exit: $?"
poweroff -f
INIT
chmod 755 "$work/root/init"
printf '%q ' "$@" >"$work/root/test/.command"
(cd "$work/root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$work/initramfs.gz"

status=0
timeout "$limit_seconds" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp 2 -m "$memory_mib" \
    -kernel "$kernel" -initrd "$work/initramfs.gz" -append "console=ttyS0 panic=-1 quiet" \
    -nographic -no-reboot -nic none </dev/null | tee "$work/console" || status=$?
[ "$status" -ne 124 ] || { echo "the guest did not end within $limit_seconds s" >&2; exit 124; }
code=$(tr -d '\r' <"$work/console" | sed -n 's/^guest exit: \([0-9]*\)$/\1/p' | tail -n 1)
exit "${code:-125}"
