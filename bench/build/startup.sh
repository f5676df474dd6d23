# The aim: a sandbox starts within 10 ms over a bare start of the program. `startup` measures dhow's sandbox alone, the
# lines after it the whole `dhow run` of an image beside other runtimes with the same static program.
"$examples/startup"

program=$scratch/app-nothing/nothing
mkdir -p "$scratch/app-nothing"
echo 'fn main() {}' | rustc -C target-feature=+crt-static -C opt-level=3 -o "$program" -
buildpack nothing <<'EOF'
#!/bin/sh
printf '[[processes]]\ntype = "web"\ncommand = ["/workspace/nothing"]\ndefault = true\n' > "$CNB_LAYERS_DIR/launch.toml"
EOF
build nothing
unset base
run() { "$dhow" run "oci:$scratch/images/nothing" --quiet; }
run # unpacks the layers
times "$RUNS" "$program"; line "bare"; bare=$median
times "$RUNS" run; line "dhow run (with launcher)"; base=$median of="dhow run"
over() { awk -v median="$median" -v bare="$bare" -v name="$1" 'BEGIN { printf "    %s: %.2f ms over bare\n", name, median - bare }'; }
over "dhow run"

if has runc; then
    mkdir -p "$scratch/bundle/rootfs"
    cp "$program" "$scratch/bundle/rootfs/nothing"
    [ "$(id -u)" = 0 ] || rootless=--rootless
    runc spec ${rootless:-} --bundle "$scratch/bundle"
    sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"\/nothing"/' "$scratch/bundle/config.json"
    container() { runc --root "$scratch/runc" run --bundle "$scratch/bundle" "bench-$$"; }
    if container; then times "$RUNS" container; line "runc run"; over "runc run"; else echo "(runc cannot run here)"; fi
fi
if has unshare; then
    isolated() { unshare --user --map-root-user --pid --mount --fork "$program"; }
    if isolated; then times "$RUNS" isolated; line "unshare --user --pid --mount (no root file system)"; fi
fi
