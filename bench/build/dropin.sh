# The drop-in phases by hand, without a kept tree: what restoring and exporting cost on empty directories, as a platform
# runs them. The aim is the pipeline's own speed; the peers do a part of the same work.
if [ ! -d "$scratch/trees/tree1" ]; then
    for number in $(seq $layers); do
        "$examples/tree" "$scratch/trees/tree$number" $((mebibytes / layers)) $((files / layers))
    done
fi
dropin=$scratch/dropin
mkdir -p "$dropin"/{bin,cache,cnb,app}
"$dhow" lifecycle install "$dropin/bin"
base=dhow.local/run/minimal
dropin_layouts=$XDG_DATA_HOME/dhow/layout-repo
[ -d "$dropin_layouts/$base" ] || { . bench/build/warm.sh > /dev/null; }
dropin_run=$base:$(basename "$(find "$dropin_layouts/$base" -mindepth 1 -maxdepth 1 | head -1)")
export CNB_PLATFORM_API=0.15 CNB_EXPERIMENTAL_MODE=quiet CNB_NO_COLOR=true CNB_LOG_LEVEL=error
export CNB_USE_LAYOUT=true CNB_LAYOUT_DIR=$dropin_layouts CNB_USER_ID=$(id -u) CNB_GROUP_ID=$(id -g)
export CNB_APP_DIR=$dropin/app CNB_RUN_IMAGE=$dropin_run
printf '[[images]]\nimage = "%s"\n' "$dropin_run" > "$dropin/cnb/run.toml"
export CNB_RUN_PATH=$dropin/cnb/run.toml
echo app > "$dropin/app/file"

# left NUMBER: what detector and builder would leave in layers directory NUMBER.
left() {
    local directory=$dropin/layers$1 tree
    mkdir -p "$directory/config" "$directory/bench_dropin"
    printf '[[group]]\nid = "bench/dropin"\nversion = "1"\napi = "0.12"\n' > "$directory/group.toml"
    printf 'processes = []\n\n[[buildpacks]]\n  id = "bench/dropin"\n  version = "1"\n  api = "0.12"\n' > "$directory/config/metadata.toml"
    for tree in "$scratch"/trees/*; do
        printf '[types]\nlaunch = true\nbuild = true\ncache = true\n' > "$directory/bench_dropin/${tree##*/}.toml"
    done
}
# Paths of layers enter the image, so every run has its layers at the same path.
at() { rm -f "$dropin/layers"; ln -s "layers$1" "$dropin/layers"; export CNB_LAYERS_DIR=$dropin/layers; }
analyze_app() { "$dropin/bin/analyzer" bench.local/dropin; }
restore_app() { "$dropin/bin/restorer" -cache-dir "$dropin/cache"; }
export_app() { "$dropin/bin/exporter" -launcher "$dropin/bin/launcher" -cache-dir "$dropin/cache" "$@" bench.local/dropin; }

mkdir "$dropin/layers1"
at 1; left 1
for tree in "$scratch"/trees/*; do cp -r "$tree" "$dropin/layers1/bench_dropin/"; done
echo "layers: $(du -sm --apparent-size "$scratch/trees" | cut -f1) MiB in $(find "$scratch/trees" -type f | wc -l) files and $layers layers, each for image, build and cache"
unset base
times 1 analyze_app; line "analyzer, first build"
times 1 export_app; line "exporter, first build, image then cache"; first_export=$median
base=$first_export of="the exporter above"
fresh() { rm -rf "$dropin/cache" "$dropin_layouts/bench.local/dropin"; mkdir "$dropin/cache"; "$dropin/bin/analyzer" bench.local/dropin; }
fresh; times 1 export_app -parallel; line "exporter -parallel, first build"
unset base
times "$RUNS" analyze_app; line "analyzer, second build (aim: 20)"
base=$first_export
times 1 export_app; line "exporter, nothing changed"
mkdir "$dropin/layers2"
at 2; left 2; analyze_app
times 1 restore_app; line "restorer, into empty directories"; restore=$median
[ -d "$dropin/layers2/bench_dropin/tree1" ] || { echo "the restorer restored nothing" >&2; exit 1; }

echo "-- others, for the same layers"
base=$first_export of="the first exporter"
compress() { for tree in "$scratch"/trees/*; do tar cf - -C "$scratch/trees" "${tree##*/}" | gzip -1 > "$dropin/${tree##*/}.tgz"; done; }
times 1 compress; line "tar | gzip -1 of each layer, no cache"
base=$restore of="the restorer"
mkdir "$dropin/unpacked"
unpack() { for tree in "$scratch"/trees/*; do tar xzf "$dropin/${tree##*/}.tgz" -C "$dropin/unpacked"; done; }
times 1 unpack; line "tar xzf of each"
mkdir "$dropin/plain"
plain() { for tar in "$dropin"/cache/committed/*.tar; do tar xf "$tar" -C "$dropin/plain" 2> /dev/null; done; }
times 1 plain; line "tar xf of each cached tar, without verifying"
unset CNB_PLATFORM_API CNB_EXPERIMENTAL_MODE CNB_NO_COLOR CNB_LOG_LEVEL CNB_USE_LAYOUT CNB_LAYOUT_DIR CNB_USER_ID CNB_GROUP_ID
unset CNB_APP_DIR CNB_RUN_IMAGE CNB_RUN_PATH CNB_LAYERS_DIR
