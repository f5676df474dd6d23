# The aim: below 500 ms with nothing changed, where the reference lifecycle needs 63 s for 742 MB in two layers; with one
# file changed, the layer that holds it is packed and no other.
for number in $(seq $layers); do
    "$examples/tree" "$scratch/trees/tree$number" $((mebibytes / layers)) $((files / layers))
done
# With CHANGE it writes to one file of one layer. What it takes for itself is taken off the figures.
buildpack large <<'EOF'
#!/bin/sh
set -e
start=$(date +%s%N)
for tree in /trees/*; do
    layer=$CNB_LAYERS_DIR/${tree##*/}
    [ -d "$layer" ] || cp -r "$tree" "$layer"
    printf '[types]\nlaunch = true\ncache = true\n' > "$layer.toml"
done
file=$CNB_LAYERS_DIR/tree2/package000/module00/file00001
[ -z "$CHANGE" ] || [ "$CHANGE" = "$(cat "$file")" ] || echo "$CHANGE" > "$file"
printf '[[processes]]\ntype = "web"\ncommand = ["/workspace/file1"]\ndefault = true\n' > "$CNB_LAYERS_DIR/launch.toml"
echo $(( ($(date +%s%N) - start) / 1000 )) > /own/time
EOF
mkdir -p "$scratch/app-large" "$scratch/own"
chmod 777 "$scratch/own"
for number in $(seq 200); do echo "file $number" > "$scratch/app-large/file$number"; done
chmod +x "$scratch/app-large/file1"
large() { build large --volume "$scratch/trees:/trees:ro" --volume "$scratch/own:/own:rw" "$@"; }

# less_own: takes the buildpack's own time off the last measurement, if that was one run.
less_own() {
    minimum=$(awk -v all="$minimum" -v own="$(cat "$scratch/own/time")" 'BEGIN { printf "%.2f", all - own / 1000 }')
    median=$minimum
}

echo "layers: $(du -sm --apparent-size "$scratch/trees" | cut -f1) MiB in $(find "$scratch/trees" -type f | wc -l) files and $layers layers; times without the buildpack's own"
unset base
times 1 large; less_own; line "dhow build, the first"; first=$median
counters large
base=$first of='the first'
# nothing_done: says which of the last build's counters is not zero, though nothing changed.
nothing_done() {
    for name in blobs_opened blob_bytes_read files_read file_bytes_read bytes_hashed layers_packed layers_restored bytes_compressed blob_bytes_written blob_bytes_copied blobs_linked source_files_copied source_bytes_copied; do
        [ "$(counter large "$name")" = 0 ] || echo "    NOT NOTHING: $name is $(counter large "$name")"
    done
}
times 1 large; less_own; line "dhow build, nothing changed, the second"
counters large; nothing_done
for _ in $(seq $(( (RUNS + 4) / 5 ))); do
    times 1 large; less_own; echo "$median"
done | sort -n > "$scratch/rebuilds"
minimum=$(head -1 "$scratch/rebuilds") median=$(sed -n "$(( ($(wc -l < "$scratch/rebuilds") + 1) / 2 ))p" "$scratch/rebuilds")
line "dhow build, nothing changed (aim: 500)"; again=$median
counters large; nothing_done
times 1 large --env CHANGE=once; less_own; line "dhow build, one file of one layer changed"
counters large
large --env CHANGE=once
echo again >> "$scratch/app-large/file7"
times 1 large --env CHANGE=once; less_own; line "dhow build, one file of the app changed"
counters large

echo "-- others, for the same layers"
base=$again of="dhow's rebuild"
archive() { for tree in "$scratch"/trees/*; do tar cf - -C "$scratch/trees" "${tree##*/}" | gzip -1 > "$scratch/archive.tgz"; done; }
times 1 archive; line "tar | gzip -1 of each layer"
if has umoci; then
    insert() {
        umoci init --layout "$scratch/umoci" && umoci new --image "$scratch/umoci:app" 2> /dev/null
        for tree in "$scratch"/trees/*; do umoci insert --image "$scratch/umoci:app" "$tree" "/layers/${tree##*/}" 2> /dev/null; done
    }
    times 1 insert; line "umoci insert of each layer"
fi
if has skopeo; then
    copy() { skopeo --insecure-policy copy --quiet "oci:$scratch/images/large" "oci:$scratch/skopeo"; }
    times 1 copy; line "skopeo copy of the image made"
fi
