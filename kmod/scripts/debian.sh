#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds bes2600.ko for a kernel of Debian as it is shipped, boots that kernel in QEMU, and has it find an emulated card, join a
# WPA2 network with Debian's wpa_supplicant and ping.
#
#     kmod/scripts/debian.sh [amd64|arm64] [KERNEL SERIES, 7.2]
#
# Needs root, about 8 GiB and ten minutes at first, two later. Everything is kept in ~/.cache/bes2600-debian (BES_DEBIAN).
#
# Debian's header packages have CONFIG_RUST=y but not what rustc needs of the kernel (rust/*.rmeta), so the kernel's own source
# package is prepared with the configuration, the symbol table and the compilers of the header package. The module that comes
# out is bound to Debian's own Module.symvers.
set -euo pipefail

arch=${1:-amd64}
series=${2:-7.2}
suite=trixie
here=$(cd "$(dirname "$0")/../.." && pwd)
cache=${BES_DEBIAN:-${XDG_CACHE_HOME:-$HOME/.cache}/bes2600-debian}
root=$cache/$suite

die() {
    echo "debian.sh: $*" >&2
    exit 1
}

case $arch in
amd64) karch=x86 cross='' target=x86_64-unknown-linux-gnu qemu=qemu-system-x86_64 tools=(qemu-system-x86 seabios) image=vmlinuz
    machine=(-cpu max -append 'console=ttyS0 quiet panic=-1') ;;
arm64) karch=arm64 cross=aarch64-linux-gnu- target=aarch64-unknown-linux-gnu qemu=qemu-system-aarch64 tools=(qemu-system-arm) image=vmlinuz
    machine=(-machine virt -cpu cortex-a53 -append 'console=ttyAMA0 quiet panic=-1') ;;
*) die "'$arch' is not an architecture this knows: give amd64 or arm64" ;;
esac
[[ $series =~ ^[0-9]+\.[0-9]+$ ]] || die "'$series' is no kernel series: give one like 7.2"
[ "$(id -u)" -eq 0 ] || die "a Debian system is unpacked and entered: run this as root"

missing=()
command -v debootstrap >/dev/null || missing+=(debootstrap)
command -v "$qemu" >/dev/null || missing+=("${tools[@]}")
if [ "${#missing[@]}" -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# The mirror that this machine uses.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
[ -n "$mirror" ] || die "the machine's package sources name no Debian mirror"

if [ ! -e "$root/.complete" ]; then
    rm -rf "$root"
    mkdir -p "$cache"
    echo "== Debian $suite"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" >"$cache/debootstrap.log" ||
        die "debootstrap failed; see $cache/debootstrap.log"
    printf 'deb %s %s main\ndeb %s %s-backports main\n' "$mirror" "$suite" "$mirror" "$suite" >"$root/etc/apt/sources.list"
    touch "$root/.complete"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
for file in apt/apt.conf apt/apt.conf.d; do
    [ ! -e "/etc/$file" ] || cp -r "/etc/$file" "$root/etc/apt/"
done
mkdir -p "$root/src" "$root/root/.cargo" "$root/root/build"
[ ! -e "${CARGO_HOME:-$HOME/.cargo}/config.toml" ] || cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$root/root/.cargo/"

mounted=()
leave() {
    for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[$i]}"; done
}
trap leave EXIT
enter() { # FROM TO OPTIONS
    mount --bind "$1" "$root/$2"
    mounted+=("$root/$2")
    [ -z "${3:-}" ] || mount -o "remount,bind,$3" "$root/$2"
}
enter /proc proc
enter /dev dev
enter /dev/pts dev/pts
enter "$here" src ro

cat >"$root/root/build/inside.sh" <<'INSIDE'
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
echo "== packages"
dpkg --add-architecture "$arch"
apt-get update -qq
kernel=$(apt-cache search --names-only "^linux-headers-${series//./\\.}\.[0-9]+\+deb[0-9]+-$arch\$" | awk '{ print $1 }' | sort -V | tail -n 1)
[ -n "$kernel" ] || { echo "debian.sh: there is no kernel $series.* for $arch in this suite and its backports" >&2; exit 1; }
release=${kernel#linux-headers-}
version=$(apt-cache show "$kernel:$arch" | awk '$1 == "Version:" { print $2; exit }')
gcc=$(apt-cache show "$kernel:$arch" | sed -n 's/.*\(gcc-[0-9]*\)-for-host.*/\1/p' | head -n 1)
install make gcc "$gcc" bc bison flex libelf-dev libssl-dev libclang-19-dev rustc cargo rust-src rustfmt bindgen xz-utils cpio kmod pahole python3 \
    busybox-static:"$arch" iw:"$arch" wpasupplicant:"$arch" "linux-source-$series=$version"
[ "$arch" = amd64 ] || install "$gcc-aarch64-linux-gnu" gcc-aarch64-linux-gnu libc6-dev:"$arch" "libstd-rust-dev:$arch"
cd /root/build
work=/root/build/$release
mkdir -p "$work"
unpacked() { # PACKAGE: its files
    [ -d "$work/$1" ] || { mkdir -p "$work/packages" && (cd "$work/packages" && apt-get download -qq "$1:$arch=$version" 2>/dev/null) &&
        dpkg -x "$work"/packages/"$1"_*.deb "$work/$1"; }
}
for package in "$kernel" "linux-binary-$release" "linux-modules-$release"; do unpacked "$package"; done
headers=$(dirname "$(find "$work/$kernel/usr/src" -name .config)")
tree=$work/tree
kbuild=(make -s -j"$(nproc)" ARCH="$karch" CROSS_COMPILE="$cross" CC="${cross}$gcc" HOSTCC="$gcc")
if [ ! -e "$tree/.prepared" ]; then
    echo "== kernel $release: its tree"
    rm -rf "$tree"
    mkdir "$tree"
    tar -xf "/usr/src/linux-source-$series.tar.xz" -C "$tree" --strip-components=1
    cp "$headers/.config" "$headers/Module.symvers" "$tree"
    echo "${release#"${version%%-*}"}" >"$tree/localversion"
    "${kbuild[@]}" -C "$tree" olddefconfig
    "${kbuild[@]}" -C "$tree" modules_prepare
    [ "$(make -s -C "$tree" ARCH="$karch" kernelrelease)" = "$release" ] || { echo "debian.sh: the tree is not $release" >&2; exit 1; }
    touch "$tree/.prepared"
fi
echo "== bes2600.ko for $release, $(rustc --version | cut -d' ' -f1,2)"
"${kbuild[@]}" -C /src/kmod KDIR="$tree" MO="$work/module"
modinfo -F vermagic "$work/module/bes2600.ko"
echo "== bes-sim for $arch"
CARGO_TARGET_DIR=/root/build/target CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CARGO_PROFILE_RELEASE_LTO=off \
    cargo build -q --manifest-path /src/Cargo.toml --locked --release --target "$target" -p bes-sim
echo "== initial file system"
image=$work/image
rm -rf "$image"
mkdir -p "$image"/{bin,proc,sys,dev,tmp,run,lib/firmware}
cp /usr/bin/busybox /usr/sbin/iw /usr/sbin/wpa_supplicant "/root/build/target/$target/release/bes-sim" "$image/bin"
# Its parts in turn, as the loader would find them: nothing of another architecture can be run here.
copy_needed() {
    objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }' | while read -r name; do
        [ ! -e "$image/lib/$name" ] || continue
        found=$(find "/usr/lib/$multiarch" -name "$name" -print -quit)
        [ -n "$found" ] || { echo "debian.sh: $name is nowhere" >&2; exit 1; }
        cp -L "$found" "$image/lib/$name"
        copy_needed "$found"
    done
}
for program in iw wpa_supplicant bes-sim; do copy_needed "$image/bin/$program"; done
loader=$(readelf -l "$image/bin/iw" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
mkdir -p "$image$(dirname "$loader")"
[ -e "$image$loader" ] || cp -L "$(find "/usr/lib/$multiarch" -name "$(basename "$loader")" -print -quit)" "$image$loader"
modules=$image/lib/modules/$release
mkdir -p "$(dirname "$modules")"
cp -r "$(find "$work/linux-modules-$release" -type d -path "*modules/$release")" "$modules"
mkdir "$modules/updates"
cp "$work/module/bes2600.ko" "$work/module/vsdio/vsdio.ko" "$modules/updates"
"${cross}strip" --strip-debug "$modules"/updates/*.ko
touch "$modules"/modules.{order,builtin,builtin.modinfo}
depmod -b "$image" "$release"
# Only what is loaded, in its order.
for module in ctr ccm cmac vsdio bes2600; do modprobe -d "$image" -S "$release" --show-depends "$module"; done |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/order"
mkdir "$image/modules"
number=100
while read -r file; do
    name=$image/modules/$number-$(basename "${file%.xz}")
    case $file in *.xz) xz -dc "$file" >"$name" ;; *) cp "$file" "$name" ;; esac
    number=$((number + 1))
done <"$work/order"
rm -rf "$image/lib/modules"
cp -r /src/kmod/scripts/debian-init "$image/init"
chmod +x "$image/init"
mkdir -p "$image/lib/firmware/bes2600"
cp -r /root/build/firmware/. "$image/lib/firmware/"
(cd "$image" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd.gz"
find "$work" -name "vmlinuz*" -not -path "*/tree/*" -exec cp {} "$work/vmlinuz" \;
echo "$release" >/root/build/release
INSIDE
case $arch in amd64) multiarch=x86_64-linux-gnu ;; *) multiarch=aarch64-linux-gnu ;; esac
(cd "$here" && cargo run -q --release -p bes-sim -- firmware "$root/root/build/firmware" >/dev/null)
arch=$arch series=$series karch=$karch cross=$cross target=$target multiarch=$multiarch chroot "$root" bash /root/build/inside.sh

release=$(cat "$root/root/build/release")
work=$root/root/build/$release
echo "== $release in QEMU"
log=$cache/$release.log
timeout 600 "$qemu" -accel tcg -smp 2 -m 2048 -nographic -no-reboot -kernel "$work/$image" -initrd "$work/initrd.gz" "${machine[@]}" >"$log" 2>&1 </dev/null ||
    die "the guest did not end in ten minutes; see $log"
sed -n '/^== kernel/,$p' "$log" | tr -d '\r'
grep -q '^passed' <(tr -d '\r' <"$log") || die "failed; everything is in $log"
