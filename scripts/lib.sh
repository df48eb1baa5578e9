# shellcheck shell=sh
# Shared by the scripts in this folder: source it with TOP set.
#
# The cache holds what is dear to make and not ours: kernels, build roots,
# lab bases. HUSK_CACHE moves it. Everything in it is made under a temporary
# name and renamed when complete, so an interrupted run leaves no half thing.

CACHE=${HUSK_CACHE:-$HOME/.cache/husk}
PYTHON=/usr/bin/python3
STOCK_KERNELS="6.1 6.12 7.2"
ME=${0##*/}

say() { printf '%s: %s\n' "$ME" "$*" >&2; }
die() { say "$*"; exit 2; }

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_mirror() {	# the machine's own Debian mirror
	apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(SUITE) $(REPO_URI)' |
		awk '$1 == "Packages" && $2 == "Debian" && $3 !~ /-/ { print $4; exit }'
}

# suite of a stock kernel, and the folder that its module is built in
kernel_suite() {
	case $1 in
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	7.2) echo sid ;;
	*) return 1 ;;
	esac
}

kernel_dir() { echo "$CACHE/kernels/$1"; }
kernel_release() { cat "$CACHE/kernels/$1/release"; }
kernel_ready() { [ -e "$CACHE/kernels/$1/release" ]; }

# need_kernel ALIAS: fetch it on first use
need_kernel() {
	kernel_ready "$1" && return
	case $1 in
	san) die "no sanitizer kernel yet: run scripts/san-kernel (about 10 minutes, once)" ;;
	6.1 | 6.12 | 7.2) "$TOP/scripts/deps" kernel-"$1" || die "can't get kernel $1" ;;
	*) die "unknown kernel '$1' (known: $STOCK_KERNELS san)" ;;
	esac
}

# cache_used PATH...: whoever takes something of the cache that has its version in its name says so,
# since another tree's checks may take other versions
cache_used() { touch "$@"; }

# cache_drop FOLDER PATTERN: remove what nobody has used for two days
cache_drop() { find "$1" -mindepth 1 -maxdepth 1 -name "$2" -mmin +2880 -exec rm -rf {} +; }

# with_lock NAME CMD...: run CMD holding the lock $CACHE/locks/NAME
with_lock() {
	mkdir -p "$CACHE/locks"
	_lock=$CACHE/locks/$1
	shift
	(
		flock 9
		"$@" 9>&-
	) 9>"$_lock"
}
