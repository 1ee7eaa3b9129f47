#!/usr/bin/env bash
# gofmt, go vet and staticcheck over all Go packages. staticcheck's version is pinned here;
# go run fetches and builds it once and takes it from the module cache after that.
#
# Variables: GO (go)
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2

echo "lint gofmt"
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
  printf 'not formatted:\n%s\n' "$unformatted" >&2
  exit 1
fi
echo "lint go vet"
"$go" vet ./...
echo "lint staticcheck (${staticcheck##*@})"
"$go" run "$staticcheck" ./...
