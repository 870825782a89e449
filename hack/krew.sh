#!/usr/bin/env bash
# Installs the plugin as krew does, with krew itself, from archives that were built here, and runs it under its name there; before,
# krew's own validator judges the manifest. Nothing outside this folder's bin and a temporary folder is touched.
#
#   hack/krew.sh KREW-FOLDER    with the programs krew and validate-krew-manifest, which `make krew-check` builds
set -euo pipefail
cd "$(dirname "$0")/.."
TOOLS=$(cd "$1" && pwd)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export KREW_ROOT=$WORK/root

fail() { printf 'krew: %s\n' "$*" >&2; exit 1; }

# the manifest of all six platforms; one of the archives is real
go run ./hack/release -version v0.0.0-krew -out "$WORK/dist" -platforms linux/amd64
awk '{sum = $1} END {
	n = split("linux-amd64.tar.gz linux-arm64.tar.gz darwin-amd64.tar.gz darwin-arm64.tar.gz windows-amd64.zip windows-arm64.zip", all, " ")
	for (i = 1; i <= n; i++) print sum "  kubectl-egress-" all[i]
}' "$WORK/dist/checksums.txt" >"$WORK/checksums.txt"
go run ./hack/release -version v0.0.0-krew -checksums "$WORK/checksums.txt" -out "$WORK"
"$TOOLS/validate-krew-manifest" -skip-install -manifest "$WORK/istio-egress.yaml"

"$TOOLS/krew" install --manifest="$WORK/dist/istio-egress.yaml" --archive="$WORK/dist/kubectl-egress-linux-amd64.tar.gz"
export PATH=$KREW_ROOT/bin:$PATH
kubectl-istio_egress --help | grep '^  kubectl istio-egress COMMAND' >/dev/null || fail "help does not follow krew's name"
kubectl-istio_egress version | grep 'v0.0.0-krew' >/dev/null || fail "the version is not the release's"
kubectl-istio_egress completion install | grep "^$KREW_ROOT/bin/kubectl_complete-istio_egress -> kubectl-istio_egress$" >/dev/null || fail "completion is not put beside krew's link"
kubectl_complete-istio_egress explain EGR00 2>/dev/null | grep '^EGR001' >/dev/null || fail "what kubectl calls for completion does not answer"
echo "krew installs it, and it runs as kubectl istio-egress"
