#!/usr/bin/env bash
# Proves two things of the sources as they are here: they compile for every platform that is released, and whoever builds them gets
# the same bytes. The second is shown by a build in another folder, by another user's home, with nothing compiled before.
#
#   hack/reproducible.sh            every platform compiled, linux/amd64 built twice
#   TWICE=all hack/reproducible.sh  all of them built twice (six builds from nothing: a quarter of an hour on two cores)
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=v0.0.0-reproducible
ONLY=linux/amd64
[ "${TWICE:-}" != all ] || ONLY=

OTHER=$(mktemp -d)
# what Go keeps is read-only
trap 'chmod -R u+w "$OTHER" && rm -rf "$OTHER"' EXIT

echo "== every platform, here"
go run ./hack/release -version "$VERSION" -out "$OTHER/here"

echo "== once more, elsewhere and from nothing"
mkdir -p "$OTHER/a/longer/path" "$OTHER/home"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
	[ ! -f "$file" ] || printf '%s\0' "$file"
done | tar --null -T - -cf - | tar -xf - -C "$OTHER/a/longer/path"
WHEN=$(git log -1 --format=%ct)
MODULES=$(go env GOMODCACHE)
(
	cd "$OTHER/a/longer/path"
	git init -q . && GIT_COMMITTER_DATE="@$WHEN" git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m x # the commit's time is in the archives
	export HOME=$OTHER/home GOCACHE=$OTHER/cache GOMODCACHE=$MODULES
	go run ./hack/release -version "$VERSION" -out "$OTHER/there" -platforms "$ONLY"
)

code=0
while read -r sum archive; do
	if ! grep -q "^$sum  $archive\$" "$OTHER/here/checksums.txt"; then
		echo "$archive differs" >&2
		code=1
	fi
done <"$OTHER/there/checksums.txt"
[ -s "$OTHER/there/checksums.txt" ] || code=1
[ $code -ne 0 ] || echo "the same bytes: $(wc -l <"$OTHER/there/checksums.txt") of $(wc -l <"$OTHER/here/checksums.txt") archives built twice"
exit $code
