#!/usr/bin/env bash
# cover.sh PROFILE FLOOR: what share of the program's statements the tests of their own package run, of all packages together. What is no
# part of the program (hack, e2e, lab) is left out. Below FLOOR percent it fails.
set -euo pipefail

awk -v floor="$2" '
	/^mode:/ { next }
	{
		split($1, at, ":"); file = at[1]
		if (file ~ /\/(hack|e2e|lab)\//) next
		statements[$1] = $2
		if ($3 > 0) ran[$1] = 1
		folder[$1] = file; sub(/\/[^\/]*$/, "", folder[$1])
	}
	END {
		for (b in statements) {
			all += statements[b]; sum[folder[b]] += statements[b]
			if (b in ran) { done += statements[b]; of[folder[b]] += statements[b] }
		}
		if (!all) { print "cover: the profile holds nothing" > "/dev/stderr"; exit 1 }
		for (f in sum) printf "%5.1f %%  %s\n", 100 * of[f] / sum[f], f | "sort -n"
		close("sort -n")
		share = 100 * done / all
		printf "%5.1f %%  of %d statements, %s %% are the least\n", share, all, floor
		if (share < floor) { print "cover: too few" > "/dev/stderr"; exit 1 }
	}' "$1"
