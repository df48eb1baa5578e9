# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# What guests' disks and networks cost (scripts/bench sources it). A row: test of io_load or net_load, what it is.
# One machine for each way to do it: in QEMU a busy guest, KVM's too, now and then waits for ever for a lock that nobody has.
# So what is not measured then is tried again.

io_rows() {
	cat <<-'ROWS'
	read1:read:4096:1:1000|random reads of 4K, one at a time
	read32:read:4096:32:2000|random reads of 4K, 32 at once
	write1:write:4096:1:1000|random writes of 4K, one at a time
	write32:write:4096:32:2000|random writes of 4K, 32 at once
	scan1:scan:131072:1:300|reads of 128K in order, one at a time
	ROWS
}
# A share for each of so many disks of one VM, queues (and vCPUs), or VMs
growth_rows() {
	local n
	for n in 1 2 4 8; do echo "n$n:read:4096:32:4000:$n|$n"; done
}
guests_machine=qemu-svm
io_null=null:read:4096:1:0

# The one that hangs most is the last
net_rows() {
	cat <<-'ROWS'
	out:out:65536:300|TCP from the guest, 64K
	in:in:65536:300|TCP to the guest, 64K
	packets_out:packets_out:64:3200|a packet of 64 bytes from the guest
	packets_in:packets_in:64:3200|a packet of 64 bytes to the guest
	rr:rr:1:300|request and response of a byte each
	ROWS
}
net_null=null:rr:1:0

# values FILE ROWS: lines "HOW NAME COUNT INSTRUCTIONS PER_SECOND" for each request: less what asking costs, at least
values() {
	awk '
	FNR == NR {
		split($0, f, "|")
		n = split(f[1], t, ":")
		count[t[1]] = n > 4 ? t[5] : t[4]
		next
	}
	$6 != "ok" { next }
	# of several guests it depends on how many
	$3 == "null" { if (!asking[$2] || $5 < asking[$2] || $2 ~ /_(queues|vms)$/) asking[$2] = $5; next }
	($3 in count) { line[++lines] = $0; own[lines] = asking[$2] }
	END {
		for (i = 1; i <= lines; i++) {
			split(line[i], f, " ")
			n = count[f[3]]
			less = f[2] ~ /_(queues|vms)$/ ? own[i] : asking[f[2]]
			printf "%s %s %d %d %d\n", f[2], f[3], n, (f[5] - less) / n, n * 1e9 / f[4]
		}
	}' <("$2") "$1"
}

# left FILE HOW NULL ROWS: the tests that have no result yet; each machine has a null
left() {
	local all
	all=$("$4" | while IFS='|' read -r test _; do
		grep -q "^[a-z]* $2 ${test%%:*} .* ok" "$1" || echo "$test"
	done)
	[ -z "$all" ] || printf '%s\n' "$3" "$all"
}

# measure_guests FILE SCRIPT NULL ROWS SECONDS HOW...
measure_guests() {
	local file=$1 script=$2 null=$3 rows=$4 seconds=$5 how try tests disk part=$OUT/guests-part
	local files=(--program qemu-system-x86_64 --program qemu-storage-daemon --file selftests/lab:/lab/groups)
	for how in seabios/bios-256k.bin qemu/linuxboot_dma.bin qemu/kvmvapic.bin; do
		files+=(--file "/usr/share/$how:/usr/share/$how")
	done
	: >"$file"
	truncate -s 1G "$OUT/io-disk"
	shift 5
	for how; do
		disk=()
		[ "$how" != bare ] || disk=(--disk "$OUT/io-disk")
		for try in 1 2 3 4 5; do
			mapfile -t tests < <(left "$file" "$how" "$null" "$rows")
			[ ${#tests[@]} -gt 0 ] || break
			echo "bench: $kernel on $guests_machine, $script: $how, try $try" >&2
			scripts/lab run --quiet --icount --machine "$guests_machine" --kernel "$kernel" --timeout "$seconds" --memory 2048 --guest 6.1 \
				--append "cryptomgr.notests mitigations=off" "${files[@]}" "${disk[@]}" "selftests/lab/$script" "$how" "${tests[@]}" \
				</dev/null >"$part" 2>&1
			cat "$part" >>"$file"
		done
	done
	rm -f "$OUT/io-disk" "$part"
}

# guests_table FILE ROWS TITLE HOWS LESS SHARE: HOWS: how=title...; less those of LESS; the ratio is that of the cheaper KVM to
# husk's kernel, which shall not take more than that SHARE of it
guests_table() {
	awk -v title="$3" -v hows="$4" -v less="$5" -v share="$6" '
	BEGIN {
		columns = split(hows, how, " ")
		for (i = 1; i <= columns; i++) { split(how[i], pair, "="); how[i] = pair[1]; head[i] = pair[2] }
	}
	FILENAME == ARGV[1] { cost[$1, $2] = $4; rate[$1, $2] = $5; next }
	{ split($0, f, "|"); what[++rows] = f[2]; sub(":.*", "", f[1]); name[rows] = f[1] }
	function heads(what,	i) {
		printf "%-46s", what
		for (i = 1; i <= columns; i++) printf " %10s", head[i]
	}
	function cells(r, value, minus,	i, n) {
		printf "%-46s", what[r]
		for (i = 1; i <= columns; i++) {
			n = value[how[i], name[r]]
			printf " %10s", n == "" || (minus == "" && how[i] == less) ? "-" : n - (minus != "" && how[i] != minus ? value[minus, name[r]] : 0)
		}
	}
	function least(r,	i, k, n) {
		for (i = 1; i <= columns; i++)
			if (how[i] ~ /^kvm/ && (n = cost[how[i], name[r]]) && (!k || n < k)) k = n
		return k ? k - (less != "" ? cost[less, name[r]] : 0) : 0
	}
	END {
		heads(title)
		printf " %7s  %s\n", "ratio", "target"
		for (r = 1; r <= rows; r++) {
			cells(r, cost, less)
			k = least(r)
			h = cost["kernel", name[r]] - (less != "" ? cost[less, name[r]] : 0)
			if (k && h) printf " %7.2f  %d %s", k / h, k * share, h <= k * share ? "met" : "not met"
			printf "\n"
		}
		heads("the same: how many a second, 1 ns for each instruction")
		printf "\n"
		for (r = 1; r <= rows; r++) { cells(r, rate, ""); printf "\n" }
	}' <(values "$1" "$2") <("$2")
}

# The guest and the peer are in it, the same for all
measure_net() {
	local file=$OUT/net-$kernel
	measure_guests "$file" bench_net.sh $net_null net_rows 120 kernel kvm_vhost worker kvm_qemu veth
	guests_table "$file" net_rows "a network: instructions of all for each" \
		"kernel=kernel worker=worker kvm_vhost=KVM+vhost kvm_qemu=KVM+QEMU veth=no-guest" "" 1
	echo
	[ -z "$(left "$file" kernel $net_null net_rows)" ]
}

# What the host does for each, which is all less what the guest does itself: the same kernel and program on a disk that
# costs nothing. KVM is compared as it costs less, whether QEMU's thread polls or not.
measure_io() {
	local file=$OUT/io-$kernel
	measure_guests "$file" bench_io.sh $io_null io_rows 120 bare kernel kvm worker vhost_user vm kvm_no_poll
	guests_table "$file" io_rows "a disk: instructions of the host for each" \
		"kernel=kernel worker=worker vhost_user=vhost-user vm=VM kvm=KVM+QEMU kvm_no_poll=no-poll bare=the-guest" bare 0.5
	echo
	[ -z "$(left "$file" kernel $io_null io_rows)" ]
}

# growth_table FILE WHAT ROWS
growth_table() {
	values "$1" "$3" | awk -v what="$2" '
	{ sub("_.*", "", $1); sub("[a-z]*", "", $2); cost[$1, $2] = $4; rate[$1, $2] = $5 }
	function row(title, value, how,	n) {
		printf "%-46s", title
		for (n = 1; n <= 8; n *= 2) printf " %10s", ((how, n) in value) ? value[how, n] : "-"
		printf "\n"
	}
	END {
		row(what ": husk", cost, "kernel")
		row(what ": KVM+QEMU", cost, "kvm")
		row("a second, " what ": husk", rate, "kernel")
		row("a second, " what ": KVM+QEMU", rate, "kvm")
	}'
}

# The guests are in it. Queues and VMs are on Bochs's Intel machine: QEMU's emulator does not finish with several guests, or
# vCPUs, that are busy, and on Bochs's AMD machine programs of guests die if there are several, KVM's too.
measure_growth() {
	local what title file status=0 guests_machine
	while IFS='|' read -r what guests_machine title; do
		file=$OUT/$what-$kernel
		measure_guests "$file" bench_io.sh $io_null growth_rows 900 "kernel_$what" "kvm_$what" </dev/null
		printf '%-46s %10s %10s %10s %10s\n' "random reads of 4K, 32 at once, of all: each with" 1 2 4 8
		growth_table "$file" "$title" growth_rows
		echo
		[ -z "$(left "$file" "kernel_$what" $io_null growth_rows)" ] || status=1
	done <<-'PARTS'
	devices|qemu-svm|disks of a VM
	queues|bochs-vmx|queues and vCPUs
	vms|bochs-vmx|VMs
	PARTS
	return $status
}
