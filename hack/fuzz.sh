#!/usr/bin/env bash
# fuzz.sh [MODULE-FOLDER...]: every fuzz target of the modules (default: this one) for FUZZTIME each (default 30s), two at a time. ONLY is
# a regular expression that the names have to match. What a target finds is told, and stays in testdata/fuzz of its package: commit it
# with what mends it, as a test for ever.
set -uo pipefail
cd "$(dirname "$0")/.."
export FUZZTIME=${FUZZTIME:-30s} LOGS
LOGS=$(mktemp -d)
trap 'rm -r "$LOGS"' EXIT

# one MODULE PACKAGE TARGET
one() {
	local log=$LOGS/${2//\//_}.$3
	if (cd "$1" && go test -run='^$' -fuzz="^$3\$" -fuzztime="$FUZZTIME" -parallel=1 "$2") >"$log" 2>&1; then
		printf 'ok    %-70s %s\n' "$2 $3" "$(grep -o 'execs: [0-9]*' "$log" | tail -1)"
		return 0
	fi
	# Go's fuzzer now and then takes the end of its time for a failure, most on a busy machine (golang/go#75804, mended in Go 1.27): then it says nothing but
	# that, and has found nothing.
	if ! grep -qE 'Failing input|panic|fatal error|testdata|FAIL.*build failed' "$log" &&
		[ "$(grep -A2 '^--- FAIL' "$log" | sed -n 2p | tr -d ' ')" = contextdeadlineexceeded ]; then
		printf 'ok    %-70s %s\n' "$2 $3" "$(grep -o 'execs: [0-9]*' "$log" | tail -1), ended late"
		return 0
	fi
	printf 'FAIL  %s %s\n' "$2" "$3"
	cat "$log"
	return 1
}
export -f one

# list MODULE: MODULE PACKAGE TARGET of each, by the source: to ask the packages, all of them would have to be compiled.
list() (
	cd "$1" || exit 1
	set -e
	folders=$(go list -f '{{.Dir}}' ./...)
	for folder in $folders; do
		{ grep -ohsE '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go || true; } | cut -d' ' -f2 | { grep -E "${ONLY:-.}" || true; } |
			sed "s|^|$1 .${folder#"$PWD"} |"
	done
)

[ $# -gt 0 ] || set -- .
for module in "$@"; do
	list "$module" >>"$LOGS/targets" || exit 1
done
count=$(wc -l <"$LOGS/targets")
[ "$count" -gt 0 ] || { echo "fuzz: no target found" >&2; exit 1; }
echo "$count targets, $FUZZTIME each"
xargs -P "${FUZZJOBS:-2}" -L 1 bash -c 'one "$@"' fuzz <"$LOGS/targets" || exit 1
