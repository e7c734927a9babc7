#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the portable crates for a kernel: portable.sh OUT FLAGS...
#
# Writes to the folder OUT
#   portable.o     every crate in one object
#   portable.args  what rustc needs to find the crates (a response file)
# and touches neither unless a crate has changed. The environment is that of Makefile.portable.
set -eu

out=$1
shift
manifest=$(cd "$(dirname "$0")/../.." && pwd)/Cargo.toml
crates='bes-hal bes-sdio-bus bes-wsm bes-pm bes-mac80211'

# Flags reach rustc separated by 0x1f, because a flag may contain a space.
separator=$(printf '\037')
target=
flags=
skip=
for flag in "$@"; do
	if [ -n "$skip" ]; then
		skip=
		continue
	fi
	case $flag in
	--cfg) skip=yes ;;
	--target=*) target=${flag#--target=} ;;
	*) flags="$flags${flags:+$separator}$flag" ;;
	esac
done
case $target in
'') echo 'portable.sh: the kernel gives no Rust target' >&2; exit 1 ;;
*.json) target=$(realpath "$target"); spec='-Zjson-target-spec'; triple=$(basename "$target" .json) ;;
*) spec=; triple=$target ;;
esac
# Toolchains before 1.95 take the file without asking.
if [ -n "$spec" ] && ! RUSTC_BOOTSTRAP=1 $CARGO -Z help 2>/dev/null | grep -q json-target-spec; then
	spec=
fi
flags="$flags$separator-L$BES_OBJTREE/rust$separator--sysroot=/dev/null"
# The kernel's `core` cannot print floating point numbers; crates that can (zerocopy) are told by the name that `core` uses.
flags="$flags${separator}-Zunstable-options${separator}--cfg=no_fp_fmt_parse"

packages=
for crate in $crates; do packages="$packages -p $crate"; done
quiet=-q
[ "${BES_VERBOSE:-0}" = 0 ] || quiet=

# `env -u`: flags of the caller's environment would come on top of the kernel's.
# shellcheck disable=SC2086
env -u RUSTFLAGS RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS="$flags" CARGO_TARGET_DIR="$BES_TARGET" \
	$CARGO build $quiet --locked --manifest-path "$manifest" $packages \
	--target "$target" $spec --profile kernel --config "$(dirname "$0")/profile.toml" \
	--message-format json-render-diagnostics >"$out/portable.json.tmp"

# The files that Cargo made or found up to date, one a line.
sed -n '/"reason":"compiler-artifact"/s/.*"filenames":\["\([^]]*\)"\].*/\1/p' "$out/portable.json.tmp" |
	sed 's/","/\n/g' | sort -u >"$out/portable.files.tmp"
rm -f "$out/portable.json.tmp"
grep "^$BES_TARGET/$triple/.*\.rlib\$" "$out/portable.files.tmp" >"$out/portable.rlibs.tmp"

{
	for crate in $crates; do
		name=$(echo "$crate" | tr - _)
		file=$(grep "/lib$name[^/]*\.rlib\$" "$out/portable.rlibs.tmp" | head -n 1)
		[ -n "$file" ] || { echo "portable.sh: cargo built no $crate" >&2; exit 1; }
		echo "--extern=$name=$file"
	done
	# Where the crates' own dependencies are: libraries for the kernel, procedural macros for this machine.
	sed -nE 's#/[^/]*\.(rlib|rmeta|so|dylib)$##p' "$out/portable.files.tmp" | sort -u |
		sed 's/^/-Ldependency=/'
} >"$out/portable.args.tmp"
rm -f "$out/portable.files.tmp"

# A list of what goes in, with times: the object is made anew only if it differs.
{
	echo "$BES_LD"
	while read -r file; do stat -c '%n %y %s' "$file"; done <"$out/portable.rlibs.tmp"
} >"$out/portable.list.tmp"
if [ ! -e "$out/portable.o" ] || ! cmp -s "$out/portable.list.tmp" "$out/portable.list" ||
	! cmp -s "$out/portable.args.tmp" "$out/portable.args"; then
	mv "$out/portable.args.tmp" "$out/portable.args"
	# shellcheck disable=SC2046,SC2086
	$BES_LD -r -o "$out/portable.o" --whole-archive $(cat "$out/portable.rlibs.tmp")
	# The crates' metadata is for rustc only, and large.
	$BES_OBJCOPY --remove-section .rmeta "$out/portable.o"
	# What Kbuild does with every object on architectures that need it, unless it does so when the module is linked.
	[ -z "${BES_OBJTOOL:-}" ] || $BES_OBJTOOL "$out/portable.o"
	mv "$out/portable.list.tmp" "$out/portable.list"
fi
rm -f "$out/portable.args.tmp" "$out/portable.list.tmp" "$out/portable.rlibs.tmp"
