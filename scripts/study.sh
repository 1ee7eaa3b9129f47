#!/bin/sh
# Runs a study of docs/studies again: its sweep into build/studies/NAME.db, from
# there its results as CSV and its figures. Finished points are kept from run to run.
set -eu
cd "$(dirname "$0")/.."
name=${1:-}
if [ ! -f "docs/studies/$name/sweep.yaml" ]; then
	echo "study: want NAME=$(for d in docs/studies/*/sweep.yaml; do basename "$(dirname "$d")"; done | paste -sd ' ' | sed 's/ / or NAME=/g')" >&2
	exit 2
fi
mkdir -p build/studies
db=build/studies/$name.db
CGO_ENABLED=0 "${GO:-go}" build -o build/studies/kvaccel ./cmd/kvaccel
# Points that cannot be are part of a study: they have their place in the table.
build/studies/kvaccel sweep "docs/studies/$name/sweep.yaml" -o "$db" --csv "build/studies/$name.csv" ${STUDY_FLAGS:-} || [ $? -eq 1 ]
# Without who computed it, when and how long: that is no result.
sed 's/,[^,]*,[^,]*,[^,]*,[^,]*$//' "build/studies/$name.csv" >"docs/studies/$name/results.csv"
build/studies/kvaccel report "$db" -o "build/studies/$name"
for picture in build/studies/"$name"/*.svg; do
	cp "$picture" "docs/studies/$name/"
done
# Tables that follow the clocks of place and route stand in the page between <!-- NAME --> and <!-- /NAME -->.
for table in build/studies/"$name"/*.md; do
	[ -f "$table" ] || continue
	mark=$(basename "$table" .md)
	page=docs/studies/$name/README.md
	grep -q "^<!-- $mark -->\$" "$page" || continue
	awk -v mark="$mark" -v table="$table" '
		$0 == "<!-- /" mark " -->" { skip = 0 }
		!skip { print }
		$0 == "<!-- " mark " -->" { skip = 1; while ((getline line < table) > 0) print line }
	' "$page" >"$page.new"
	mv "$page.new" "$page"
done
echo "docs/studies/$name: results.csv and figures; the whole report is build/studies/$name/index.html"
