# The aim: at most 60 ms beyond the buildpack's own time.
buildpack trivial <<'EOF'
#!/bin/sh
[ -d "$CNB_LAYERS_DIR/one" ] || { mkdir "$CNB_LAYERS_DIR/one"; echo one > "$CNB_LAYERS_DIR/one/file"; }
printf '[types]\nlaunch = true\ncache = true\n' > "$CNB_LAYERS_DIR/one.toml"
printf '[[processes]]\ntype = "web"\ncommand = ["/workspace/file"]\ndefault = true\n' > "$CNB_LAYERS_DIR/launch.toml"
EOF
mkdir -p "$scratch/app-trivial" "$scratch/bare"
echo hello > "$scratch/app-trivial/file"
chmod +x "$scratch/app-trivial/file"

own() { "$scratch/trivial/bin/detect" && CNB_LAYERS_DIR=$scratch/bare "$scratch/trivial/bin/build"; }
times "$RUNS" own
line "bin/detect and bin/build alone"; alone=$median alone_minimum=$minimum
times 1 build trivial
line "dhow build, the first"
build trivial
times "$RUNS" build trivial
line "dhow build, warm"
awk -v minimum="$minimum" -v median="$median" -v alone="$alone" -v alone_minimum="$alone_minimum" 'BEGIN {
    printf "beyond the buildpack'"'"'s own time:               min %10.2f ms   median %10.2f ms   (aim: 60)\n", minimum - alone_minimum, median - alone }'
counters trivial
