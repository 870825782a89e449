#!/usr/bin/env bash
# The main job, told as it goes: a host outside the mesh, the way to it declared, proven, broken, explained, mended, taken away.
#
#   make demo             on a real cluster that is brought up on this machine (Linux, root)
#   make demo OFFLINE=1   the same story from what was recorded on one; no root, no cluster, two minutes at most
#   make demo KEEP=1      leaves the cluster running afterwards
#   make demo RECORD=1    on the cluster, and keeps what the offline story needs under testdata/demo
set -euo pipefail
cd "$(dirname "$0")/.."
RECORDED=testdata/demo
HOST=edition.cnn.com
PLUGIN=bin/kubectl-egress
STARTED=$SECONDS

tell() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || tell() { printf '\n== %s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# show NAME COMMAND: prints the command as a user would type it and its output; offline, the output that was recorded.
show() {
	local name=$1 code=0 want=${WANT:-0}
	shift
	printf '$ %s\n' "$*"
	if [ -n "${OFFLINE:-}" ]; then
		cat "$RECORDED/$name.txt"
		return 0
	fi
	eval "$*" >"$OUT" 2>&1 || code=$?
	cat "$OUT"
	[ "$code" = "$want" ] || fail "'$*' gave exit code $code, expected $want"
	[ -z "${RECORD:-}" ] || cp "$OUT" "$RECORDED/$name.txt"
}

# diagnose NAME EXIT: the check itself always runs for real, on the cluster or on its capture.
diagnose() {
	local name=$1 want=$2 code=0
	if [ -n "${OFFLINE:-}" ]; then
		printf '$ kubectl egress check --from %s\n' "$RECORDED/$name.json"
		"$PLUGIN" check --from "$RECORDED/$name.json" || code=$?
	else
		printf '$ kubectl egress check\n'
		kubectl egress check || code=$?
		[ -z "${RECORD:-}" ] || kubectl egress capture --output "$RECORDED/$name.json"
	fi
	printf '(exit code %s)\n' "$code"
	[ "$code" = "$want" ] || fail "check gave exit code $code, expected $want"
}

# asks NAME: one request from the meshed client, then what the outside server's own log says about it.
asks() {
	local name=$1 nonce=demo-$RANDOM$RANDOM
	show "$name-curl" "kubectl exec deploy/sleep -c sleep -- curl -s -o /dev/null -w 'status %{http_code}\n' https://$HOST/politics?$nonce"
	if [ -n "${OFFLINE:-}" ]; then
		cat "$RECORDED/$name-witness.txt"
		return
	fi
	local line="" end=$((SECONDS + 15)) who
	while [ -z "$line" ] && [ $SECONDS -lt $end ]; do
		line=$(kubectl -n mesh-external logs deploy/cnn --tail=20 | grep "$nonce" || true)
	done
	[ -n "$line" ] || fail "the outside server never logged the request"
	who=$(printf '%s' "$line" | cut -d' ' -f2)
	case $who in
	"$CLIENT_IP") who="$who, the CLIENT itself: the request went round the gateway" ;;
	"$GATEWAY_IP") who="$who, the egress GATEWAY" ;;
	*) fail "the outside server saw $who, neither client nor gateway" ;;
	esac
	printf 'outside server saw: %s\n' "$who" | tee "$OUT"
	[ -z "${RECORD:-}" ] || cp "$OUT" "$RECORDED/$name-witness.txt"
	grep -q "$2" "$OUT" || fail "expected $2"
}

offline() {
	printf 'The same story from what was recorded on a real cluster (%s). It takes a few seconds.\n' "$(cat "$RECORDED/versions.txt")"
	printf 'Every check below is really run, on the captures of that cluster.\n'
}

versions() {
	local envoy
	envoy=$(kubectl -n istio-system exec deploy/istio-egressgateway -- pilot-agent request GET server_info 2>/dev/null | sed -n 's|^ "version": "[^/]*/\([^/]*\)/.*|\1|p')
	printf 'Istio %s, Envoy %s\n' "$(kubectl egress check -o json | sed -n 's/.*"istioVersion": *"\([^"]*\)".*/\1/p')" "$envoy"
}

bring_up() {
	# up builds what is not built; it looks first whether this machine can run containers (exit code 3 if not)
	bin/lab up || {
		local code=$?
		[ $code -eq 3 ] || fail "the lab did not come up (exit code $code)"
		printf 'This machine cannot run containers, as it says above.\n'
		OFFLINE=1
		offline
		return
	}
	BROUGHT_UP=$([ -n "$WAS_UP" ] || echo 1)
	bin/lab load
	eval "$(bin/lab env)"
	export PATH="$PWD/bin:$PATH"
	CLIENT_IP=$(kubectl get pod -l app=sleep -o 'jsonpath={.items[0].status.podIP}')
	GATEWAY_IP=$(kubectl -n istio-system get pod -l istio=egressgateway -o 'jsonpath={.items[0].status.podIP}')
	[ -z "${RECORD:-}" ] || { mkdir -p "$RECORDED"; versions >"$RECORDED/versions.txt"; }
}

finish() {
	local code=$?
	rm -f "$OUT"
	if [ -z "${OFFLINE:-}" ] && [ -z "${KEEP:-}" ] && [ -n "$BROUGHT_UP" ]; then
		tell "Taking the cluster down again (KEEP=1 keeps it)"
		bin/lab down || true
	fi
	exit $code
}

OUT=$(mktemp)
WAS_UP=
BROUGHT_UP=
trap 'rm -f "$OUT"' EXIT
if [ -n "${OFFLINE:-}" ]; then
	offline
else
	if bin/lab status --built >/dev/null 2>&1; then
		printf 'This brings up Kubernetes, Istio and Envoy on this machine and takes about three minutes.\n'
	else
		printf 'This first compiles Kubernetes, Istio and the rest (10 to 20 minutes on two cores, once), then takes about three minutes.\n'
	fi
	printf 'Without root, or in a hurry: make demo OFFLINE=1\n'
	! bin/lab status >/dev/null 2>&1 || WAS_UP=1
	trap finish EXIT
	bring_up
fi

tell "1. A meshed client may reach $HOST, and nobody knows which way"
asks before CLIENT
tell "2. Declare it: $HOST only through the egress gateway"
show enable "kubectl egress enable --domains $HOST"
tell "3. The same request again"
asks through GATEWAY
tell "4. The proof: what both Envoys hold, and the gateway's own counter"
diagnose healthy 0
tell "5. Somebody edits the VirtualService: it is no longer bound to the mesh"
show break "kubectl patch virtualservice egress-edition-cnn-com.$HOST --type=json -p '[{\"op\":\"replace\",\"path\":\"/spec/gateways\",\"value\":[\"egress-edition-cnn-com\"]}]'"
if [ -z "${OFFLINE:-}" ]; then # until istiod has told the sidecars
	end=$((SECONDS + 15))
	while kubectl egress check >"$OUT" 2>&1 && [ $SECONDS -lt $end ]; do :; done
fi
tell "6. The application still gets its page; 200 is not proof"
asks broken CLIENT
tell "7. check says why"
diagnose broken 3
tell "8. Mend it: what was declared is put back"
show mend "kubectl egress enable --domains $HOST --force-conflicts"
asks mended GATEWAY
diagnose mended 0
tell "9. Take it all away"
show cleanup "kubectl egress cleanup --all --yes"
asks after CLIENT
tell "Done in $((SECONDS - STARTED)) s."
