# The aims: analyzer and rebase at most 20 ms, whatever the size of the images.
if [ ! -d "$scratch/images/large" ]; then
    # Without the part `rebuild`: that part's image, made quietly.
    . bench/build/rebuild.sh > /dev/null
fi
repository=$XDG_DATA_HOME/dhow/layout-repo
mkdir -p "$repository/bench.local/large" "$scratch/layers"
cp -r "$scratch/images/large" "$repository/bench.local/large/latest"
run_image=$(cd "$repository" && find dhow.local -name index.json -printf '%h\n' | head -1)
run_image=${run_image%/*}:${run_image##*/}
ln -sf "$dhow" "$scratch/analyzer"
size=$(du -sm "$scratch/images/large" | cut -f1)
has_been() { [ -s "$scratch/layers/analyzed.toml" ] || { echo "the analyzer wrote nothing" >&2; exit 1; }; }
# -skip-layers leaves out the SBOM layer, which holds files of /layers and cannot be unpacked elsewhere.
analyze() { CNB_PLATFORM_API=0.12 CNB_EXPERIMENTAL_MODE=quiet "$scratch/analyzer" -layout -layout-dir "$repository" -layers "$scratch/layers" -uid 1000 -gid 1000 -skip-layers -log-level error -run-image "$@" bench.local/large; }
unset base
times "$RUNS" analyze "$run_image"; has_been
line "analyzer, previous image of $size MiB"
times "$RUNS" analyze bench.local/large
line "analyzer, run image as large too"

# The new base is large as well: the same trees as a root file system.
tar cf "$scratch/base.tar" -C "$scratch/trees" .
"$dhow" import "$scratch/base.tar" "oci:$scratch/base" --quiet > /dev/null
rebase() { "$dhow" rebase "oci:$scratch/images/large" --force --quiet --run-image "$1" 2> /dev/null; }
to_base() { rebase "oci:$scratch/base"; }
back() { rebase "$run_image"; }
if to_base > /dev/null && back > /dev/null; then
    PREPARE=back times "$RUNS" to_base
    line "dhow rebase, to a base of $(du -sm "$scratch/base" | cut -f1) MiB"
    base=$median of="dhow's rebase"
else
    echo "(dhow rebase failed)"
fi
if has umoci; then
    cp -r "$scratch/images/large" "$scratch/labelled"
    label() { umoci config --image "$scratch/labelled:latest" --config.label "bench=$RANDOM"; }
    times $(( (RUNS + 4) / 5 )) label; line "umoci config (one label)"
fi
if has skopeo; then
    inspect() { skopeo inspect "oci:$scratch/images/large:latest"; }
    times $(( (RUNS + 4) / 5 )) inspect; line "skopeo inspect (only reads)"
fi
