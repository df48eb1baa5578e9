# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Copy modules of a stock kernel, with all that they depend on, for an initramfs.

# module_closure FOLDER LIST: paths in FOLDER of the modules named in LIST (one a
# line) and of their dependencies
module_closure() {
	awk -v dep="$1/modules.dep" '
		BEGIN {
			while ((getline line < dep) > 0) {
				path = line; sub(/:.*/, "", path)
				name = path; sub(/.*\//, "", name); sub(/\.ko.*/, "", name); gsub(/-/, "_", name)
				paths[name] = path
				needs[name] = line; sub(/^[^:]*: ?/, "", needs[name])
			}
		}
		/^[a-z]/ && ($1 in paths) {
			print paths[$1]
			n = split(needs[$1], d, / /)
			for (i = 1; i <= n; i++) if (d[i] != "") print d[i]
		}' "$2" | sort -u
}

# copy_modules FOLDER LIST DESTINATION: uncompressed, with an index; DESTINATION
# ends in lib/modules/RELEASE
copy_modules() {
	local from=$1 to=$3 path
	mkdir -p "$to"
	module_closure "$1" "$2" | while read -r path; do
		mkdir -p "$to/${path%/*}"
		case $path in
		*.ko.xz) xz -dc "$from/$path" >"$to/${path%.xz}" ;;
		*.ko.zst) zstd -dcq "$from/$path" >"$to/${path%.zst}" ;;
		*) cp "$from/$path" "$to/$path" ;;
		esac || return
	done || return
	cp "$from"/modules.{order,builtin,builtin.modinfo} "$to/" 2>/dev/null
	PATH=$PATH:/usr/sbin:/sbin depmod -b "${to%/lib/modules/*}" "${to##*/}"
}
