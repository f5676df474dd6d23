# Sourced by the benchmarks: wall times of commands.

# times COUNT COMMAND...: leaves the minimum and the median in milliseconds in `minimum` and `median`.
# Before each run, outside of the measurement, runs what PREPARE says.
times() {
    local count=$1 start all=""; shift
    for _ in $(seq "$count"); do
        ${PREPARE:-true} > /dev/null 2>&1
        start=$EPOCHREALTIME
        # shellcheck disable=SC2086
        prioritised "$@" > /dev/null
        all+="$(( ${EPOCHREALTIME/./} - ${start/./} ))"$'\n'
    done
    all=$(sort -n <<< "${all%$'\n'}")
    minimum=$(head -1 <<< "$all" | awk '{ printf "%.2f", $1 / 1000 }')
    median=$(sed -n "$(( (count + 1) / 2 ))p" <<< "$all" | awk '{ printf "%.2f", $1 / 1000 }')
}

# Runs a command, a shell function too, at the priority that was asked for.
prioritised() {
    if [ -z "${PRIORITY:-}" ]; then "$@"; return; fi
    if [ -z "${is_prioritised:-}" ]; then
        # The shell itself gets the priority once, and what it starts inherits it.
        $PRIORITY true && case $PRIORITY in
            chrt*) chrt -f -p "${PRIORITY##* }" $$ > /dev/null ;;
            nice*) renice -n "${PRIORITY##* }" -p $$ > /dev/null ;;
            *) echo "PRIORITY must be chrt or nice" >&2; exit 2 ;;
        esac
        is_prioritised=yes
    fi
    "$@"
}

# line NAME: prints the last measurement and, if `base` is the median of another, by how much it is longer than that;
# `of` says what the other is.
line() {
    awk -v name="$1" -v minimum="$minimum" -v median="$median" -v base="${base:-}" -v of="${of:-}" 'BEGIN {
        printf "%-46s min %9.2f ms   median %9.2f ms", name, minimum, median
        if (base > 0) printf "   %7.2f times %s", median / base, of
        print "" }'
}

# has PROGRAM...: tells whether a peer is installed, and says so if it is not.
has() {
    local peer
    for peer in "$@"; do
        command -v "$peer" > /dev/null || { echo "($peer is not installed)"; return 1; }
    done
}
