#!/usr/bin/env bash
# vuln.sh GOVULNCHECK BINARY: known vulnerabilities in what the program was linked from, as Go's vulnerability database knows them.
# Exit codes: 0 none is known, 1 some are or the scan failed, 75 the database could not be asked, so that nothing is known. With
# VULN_REQUIRED set, 75 is 1 as well: for places that reach the database. GOVULNDB names another database.
set -uo pipefail

out=$("$1" ${GOVULNDB:+-db="$GOVULNDB"} -mode=binary "$2" 2>&1)
code=$?
printf '%s\n' "$out"
case $code in
0)
	# A scan that looked at nothing would be as quiet.
	grep -q 'No vulnerabilities found' <<<"$out" && exit 0
	echo "vuln: govulncheck ended well and did not say that it found nothing" >&2
	exit 1
	;;
3)
	echo "vuln: there are known vulnerabilities in $2, see above" >&2
	exit 1
	;;
esac
if grep -q 'fetching vulnerabilities' <<<"$out"; then
	echo "vuln: NOT DONE: the vulnerability database cannot be asked from here. Whether vulnerabilities are known is not known." >&2
	[ -n "${VULN_REQUIRED:-}" ] && exit 1
	exit 75
fi
echo "vuln: govulncheck failed with exit code $code" >&2
exit 1
