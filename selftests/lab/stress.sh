# SPDX-License-Identifier: GPL-2.0
# Many VMs, killed workers, and nothing left of them. SOAK=N multiplies.
. ./lib.sh
: "${SOAK:=1}"
# a second of Bochs's clock takes ten
case $LAB_MACHINE in bochs-*) seconds=$SOAK ;; *) seconds=$((5 * SOAK)) ;; esac
load || { not_ok stress_load "$(dmesg | tail -n 1)"; exit 0; }

# leak NAME COMMAND...: memory after two rounds as after one, within 600 KB
leak() {
	_leak=$1
	shift
	"$@" >/dev/null 2>&1	# warms caches
	settle
	_free=$(memfree) _slab=$(slab)
	"$@"
	settle
	_lost=$((_free - $(memfree))) _grown=$(($(slab) - _slab))
	if [ $_grown -gt 600 ] || [ $_lost -gt 2000 ]; then
		not_ok "$_leak" "unreclaimable slab grew by $_grown KB, free memory fell by $_lost KB"
	else
		ok "$_leak"
	fi
	[ "$(refs)" = 0 ] && ok "${_leak}_refs" || not_ok "${_leak}_refs" "$(refs) references left"
}

leak stress_create_leak $T/stress create $((500 * SOAK))
leak stress_kill_leak $T/stress kill $((40 * SOAK))
leak stress_many_leak $T/stress many 40
$T/stress threads $seconds
$T/stress eventfds $seconds
check stress_unload unload
exit 0
