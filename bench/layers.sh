#!/bin/bash
# Packs and unpacks one tree by tar and gzip, by umoci (if there is one), and by dhow, and prints wall
# time, CPU time, output size and peak memory side by side.
#
#   bench/layers.sh [MEBIBYTES] [FILES]     (520 and 25000 unless given; needs ten times that space in TMPDIR)
#
# RUNS is how often each is tried, 3 unless given; the best counts. Before cargo goes what CARGO_RUNNER says.
set -euo pipefail
cd "$(dirname "$0")/.."
mebibytes=${1:-520} files=${2:-25000}
run=${CARGO_RUNNER:-}

$run cargo build --release --quiet -p dhow-layer --examples
programs=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
pack=$(find "$programs" -path '*release/examples/pack' | head -1)
folder=$(dirname "$pack")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$folder/tree" "$scratch/tree" "$mebibytes" "$files"
bytes=$(du -sb "$scratch/tree" | cut -f1)
echo "tree: $((bytes >> 20)) MiB, $(find "$scratch/tree" -type f | wc -l) files; $(nproc) processors"
tar cf - -C "$scratch" tree | cat > /dev/null # everything is in the page cache from here on

# measure NAME RESULT COMMAND...
measure() {
    local name=$1 result=$2 best="" line; shift 2
    for _ in $(seq "${RUNS:-3}"); do
        rm -rf "$result"; ${PREPARE:-true}
        line=$( { /usr/bin/time -f '%e %U %S %M' "$@" > /dev/null; } 2>&1 | tail -1)
        if [ -z "$best" ] || awk "BEGIN { exit !(${line%% *} < ${best%% *}) }"; then best=$line; fi
    done
    local size=0; [ ! -f "$result" ] || size=$(stat -c %s "$result")
    # shellcheck disable=SC2086
    set -- $best
    awk -v name="$name" -v wall="$1" -v user="$2" -v sys="$3" -v memory="$4" -v size="$size" -v bytes="$bytes" -v base="${base:-$1}" '
        BEGIN { printf "%-26s %7.2f s  %5.2fx  %6.0f MB/s  cpu %6.2f s  peak %5.0f MiB", name, wall, base / wall, bytes / wall / 1e6, user + sys, memory / 1024
                if (size) printf "  size %6.1f MiB (%.3f)", size / 1048576, size / bytes; print "" }'
    last=$1
}

echo "== pack (ratios to the first line)"
unset base
measure "tar | gzip -6" "$scratch/6.tgz" sh -c "tar cf - -C '$scratch' tree | gzip -6 > '$scratch/6.tgz'"; base=$last
measure "tar | gzip -1" "$scratch/1.tgz" sh -c "tar cf - -C '$scratch' tree | gzip -1 > '$scratch/1.tgz'"
if command -v umoci > /dev/null; then
    insert() { rm -rf "$scratch/layout"; umoci init --layout "$scratch/layout"; umoci new --image "$scratch/layout:t" 2> /dev/null; }
    PREPARE=insert measure "umoci insert" "$scratch/none" sh -c "umoci insert --image '$scratch/layout:t' '$scratch/tree' /tree; ls -S '$scratch'/layout/blobs/sha256/* | head -1 | xargs -I{} ln -f {} '$scratch/none'"
fi
measure "dhow gzip:1" "$scratch/dhow1.gz" "$pack" "$scratch/tree" "$scratch/dhow1.gz" gzip:1
measure "dhow gzip:6" "$scratch/dhow6.gz" "$pack" "$scratch/tree" "$scratch/dhow6.gz" gzip:6
measure "dhow gzip:1, one thread" "$scratch/single.gz" "$pack" "$scratch/tree" "$scratch/single.gz" gzip:1 1
measure "dhow zstd:3" "$scratch/dhow.zst" "$pack" "$scratch/tree" "$scratch/dhow.zst" zstd:3
measure "dhow none" "$scratch/dhow.tar" "$pack" "$scratch/tree" "$scratch/dhow.tar" none
cmp "$scratch/single.gz" "$scratch/dhow1.gz" && gzip -t "$scratch/dhow1.gz"
gzip -dc "$scratch/dhow1.gz" | cmp - "$scratch/dhow.tar" && echo "one thread and several: same bytes; gzip reads them"

echo "== unpack (ratios to the first line; each into a new directory, deleting none before the end)"
rm -f "$scratch"/*.tar "$scratch"/*.zst "$scratch"/6.tgz "$scratch"/dhow6.gz
unset base
fresh() { number=$((${number:-0} + 1)); mkdir "$scratch/out$number"; ln -sfn "$scratch/out$number" "$scratch/out"; sync; }
PREPARE=fresh measure "tar xzf" "$scratch/none" tar xzf "$scratch/dhow1.gz" -C "$scratch/out/"; base=$last
PREPARE=fresh measure "dhow unpack" "$scratch/none" "$folder/unpack" "$scratch/dhow1.gz" "$scratch/out"
