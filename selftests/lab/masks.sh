# SPDX-License-Identifier: GPL-2.0
# The flat guests with features of the CPU masked: those that it has, and those that must
# have a fallback on any. For each two of them there is a run with both, one with neither
# (group flat), and one with one of them but not the other: those with bit N of a feature's number
# set are masked. With SOAK also those with it clear, and each alone.
. ./lib.sh
load || { not_ok masks_load "$(dmesg | tail -n 1)"; exit 0; }
unload
has=$(dmesg | sed -n "s/.*husk: $virt [a-z]*=[0-9]*: //p" | tail -n 1)
[ -n "$has" ] || not_ok masks_features "none in the line at load"
features=$(printf '%s\n' huge_2m xsave tlb_tag vgif flush_asid $has | grep -vx 'nested_paging\|unrestricted' | sort -u)

# What takes longest, and no feature of the CPU is part of
others=$($T/flat --list | grep -vE '^(irqfd_churn|doorbell.*|halt_poll|control_run_twice|control_signal|pit_.*|smp_init_4_1)$')

# masked NAME FEATURES: the flat guests without them
masked() {
	if ! insmod /lab/husk.ko "mask=$2" 2>/dev/null; then
		not_ok "masks_$1" "mask=$2 does not load: $(dmesg | tail -n 1)"
		return
	fi
	$T/flat $others >/tmp/mask.out 2>&1
	_bad=$(grep '^not ok' /tmp/mask.out | head -n 1)
	if [ -n "$_bad" ]; then not_ok "masks_$1" "mask=$2: $_bad"
	elif ! grep -q '^ok ' /tmp/mask.out; then not_ok "masks_$1" "mask=$2: nothing ran"
	else ok "masks_$1"; fi
	unload || not_ok "masks_$1_unload" "mask=$2: is still in use"
}

# with BIT VALUE: features whose number has that bit so, separated by commas
with() {
	_n=0 _list=
	for _f in $features; do
		[ $((_n >> $1 & 1)) = "$2" ] && _list=$_list,$_f
		_n=$((_n + 1))
	done
	echo "${_list#,}"
}

count=$(echo $features | wc -w)
masked all "$(echo $features | tr ' ' ',')"
bit=0
while [ $((1 << bit)) -lt "$count" ]; do
	masked "bit${bit}_set" "$(with $bit 1)"
	[ -z "$SOAK" ] || masked "bit${bit}_clear" "$(with $bit 0)"
	bit=$((bit + 1))
done
[ -z "$SOAK" ] && exit 0
for feature in $features; do masked "$feature" "$feature"; done
exit 0
