#!/bin/bash
# Times whole builds, and what surrounds them, beside what other tools take for the same work.
#
#   bench/build.sh [PART...]     parts: warm, startup, rebuild, metadata, dropin; all unless given
#
# warm      a build of a one-buildpack app with nothing to do, beyond the buildpack's own time
# startup   a sandbox, beside a bare start and other container runtimes
# rebuild   an app whose buildpack makes many cached launch layers: first build, again, one file changed
# dropin    the phases by hand: exporting and restoring large layers, with and without -parallel
# metadata  the analyzer and `dhow rebase` on that app's image
#
# RUNS is how often each is tried (21 unless given; a fifth of that where a run takes long); minimum and median are
# printed. MEBIBYTES and FILES size the layers (520 and 25000). The rest of the machine can be kept out of the figures
# by PRIORITY, as root: "nice -n -20", or "chrt -f 1", under which runc cannot run everywhere.
# Before cargo goes what CARGO_RUNNER says. Needs six times MEBIBYTES in TMPDIR. Nothing large is removed before the end:
# ext4 makes files slowly for some seconds after many were removed.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/timing.sh
parts=${*:-warm startup rebuild metadata dropin}
mebibytes=${MEBIBYTES:-520} files=${FILES:-25000} layers=4

# shellcheck disable=SC2086
${CARGO_RUNNER:-} cargo build --release --quiet -p dhow
# shellcheck disable=SC2086
${CARGO_RUNNER:-} cargo build --release --quiet -p dhow-layer -p dhow-sandbox --examples
programs=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
dhow=$(find "$programs" -path '*release/dhow' -type f | head -1)
examples=$(dirname "$dhow")/examples

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
export XDG_DATA_HOME=$scratch/data XDG_CACHE_HOME=$scratch/xdg-cache XDG_CONFIG_HOME=$scratch/config
echo "$(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg), user $(id -u), priority: ${PRIORITY:-as it is}; minimum and median of ${RUNS:=21} runs"

# buildpack NAME: a buildpack whose bin/build comes on stdin
buildpack() {
    mkdir -p "$scratch/$1/bin"
    printf 'api = "0.12"\n[buildpack]\nid = "bench/%s"\nversion = "1"\n[[targets]]\nos = "linux"\n' "$1" > "$scratch/$1/buildpack.toml"
    printf '#!/bin/sh\nexit 0\n' > "$scratch/$1/bin/detect"
    cat > "$scratch/$1/bin/build"
    chmod +x "$scratch/$1"/bin/*
}

# build NAME [ARGUMENT...]: builds app NAME by buildpack NAME, the answer in NAME.json
build() {
    local name=$1; shift
    "$dhow" build "oci:$scratch/images/$name" --path "$scratch/app-$name" --buildpack "$scratch/$name" \
        --cache "$scratch/cache-$name" --quiet --format json "$@" > "$scratch/$name.json"
}

# counters NAME: the work that the last build of NAME did
counters() {
    tr -d '\n ' < "$scratch/$1.json" | sed 's/.*"work":\({[^}]*}\).*/    \1\n/'
}

counter() { tr -d '\n ' < "$scratch/$1.json" | sed "s/.*\"$2\":\([0-9]*\).*/\1/"; }

for part in $parts; do
    echo; echo "== $part"
    . "bench/build/$part.sh"
done
