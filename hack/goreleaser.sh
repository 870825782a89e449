#!/usr/bin/env bash
# goreleaser checks its configuration, builds for this machine's platform, and hack/release builds the same: the bytes must be equal.
set -euo pipefail
cd "$(dirname "$0")/.."
TOOL=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
git clone -q . "$WORK/repo" # goreleaser wants a tag and no changes
cd "$WORK/repo"
git remote set-url origin https://github.com/kubectl-egress/kubectl-egress.git
git -c user.name=x -c user.email=x@example.com tag -f v0.0.1 >/dev/null
"$TOOL" check
GORELEASER_CURRENT_TAG=v0.0.1 "$TOOL" build --single-target --clean
go run ./hack/release -version v0.0.1 -out "$WORK/ours" -platforms "$(go env GOOS)/$(go env GOARCH)"
cmp dist/*/kubectl-egress* "$WORK"/ours/*/kubectl-egress*
echo "goreleaser and hack/release build the same bytes"
