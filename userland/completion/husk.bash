# SPDX-License-Identifier: GPL-2.0
# bash's completion for husk. It asks husk itself for commands and options ("husk help
# --list"), so that none is written here. Source it, or put it as "husk" into
# /usr/share/bash-completion/completions. HUSK_DEFINITIONS: another folder of definitions.

# _husk_words ARGUMENT WORD: what begins with WORD, for an argument as husk's help calls it: VM, FILE, COMMAND,
# DEFINED (a VM that has a definition), REASON (of an exit), or words to choose from, as a|b|FILE
_husk_words() {
	local choice
	case $1 in
	VM | VM...) "$husk" ls --json 2>/dev/null | sed -n 's/.*"id": [0-9]*, "name": "\([^"]*\)".*/\1/p' ;;
	DEFINED | DEFINED...) (cd "${HUSK_DEFINITIONS:-/etc/husk/vms}" 2>/dev/null && ls) | sed -n 's/\.conf$//p' ;;
	COMMAND) "$husk" help --list 2>/dev/null | cut -f1 ;;
	REASON*) "$husk" trace --help 2>/dev/null | sed -n '/^Reasons:/,$s/^  \([a-z0-9_]*\)  .*/\1/p' ;;
	FILE*) compgen -f -- "$2" ;;
	*'|'*)
		for choice in ${1//|/ }; do
			case $choice in
			VM | FILE*) _husk_words "$choice" "$2" ;;
			*[!a-z0-9-]*) ;;
			*) echo "$choice" ;;
			esac
		done
		;;
	esac | while IFS= read -r choice; do [[ $choice != "$2"* ]] || printf '%s\n' "$choice"; done
}

# What is to be completed, as _husk_words has it; "option" for an option. COMP_WORDS has "=" as a word of its own.
_husk_wanted() {
	local -A takes=() may_take=()
	local options=() operands=() kind name argument i place=0
	local before=${COMP_WORDS[COMP_CWORD - 1]} first=${COMP_WORDS[COMP_CWORD - 2]}

	[ "$COMP_CWORD" -gt 1 ] || { echo COMMAND; return; }
	while IFS=$'\t' read -r kind name argument; do
		case $kind$argument in
		option) options+=("$name") ;;
		option=*) options+=("$name") may_take[$name]=${argument#=} ;;
		option*) options+=("$name") takes[$name]=$argument ;;
		operand) operands+=("$name") ;;
		esac
	done < <("$husk" help --list "${COMP_WORDS[1]}" 2>/dev/null)
	if [ "$word" = = ]; then
		echo "${takes[$before]-${may_take[$before]-}}"
	elif [ "$before" = = ]; then
		echo "${takes[$first]-${may_take[$first]-}}"
	elif [ -n "${takes[$before]-}" ]; then
		echo "${takes[$before]}"
	elif [[ $word == -* ]]; then
		echo "option ${options[*]}"
	else
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--*) [ -z "${takes[${COMP_WORDS[i]}]-}" ] || i=$((i + 1)) ;;
			-* | =) ;;
			*) place=$((place + 1)) ;;
			esac
		done
		name=${operands[place]-}
		[[ -n $name || ${operands[*]} != *... ]] || name=${operands[-1]}
		echo "${name/#NAME/DEFINED}"
	fi
}

_husk() {
	local husk=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} wanted

	wanted=$(_husk_wanted)
	[ "$word" != = ] || word=
	case $wanted in
	'option '*) mapfile -t COMPREPLY < <(compgen -W "${wanted#option }" -- "$word") ;;
	*) mapfile -t COMPREPLY < <(_husk_words "$wanted" "$word") ;;
	esac
	[[ $wanted != *FILE* ]] || compopt -o filenames 2>/dev/null
}

complete -F _husk husk
