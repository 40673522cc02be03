# Shared by deploy/quickstart, tests/run and .ci/run: steps that say what they do, packages, builds. Sourced, not run.

step_name=""
step() { # step WORDS: names what comes next; a failure quotes it
    step_name=$*
    printf '==> %s\n' "$step_name"
}
fail() { # fail WORDS
    printf '\nFAILED at step "%s": %s\n' "$step_name" "$*" >&2
    exit 1
}

# install_packages SET...: installs what is missing of the sets of deploy/packages; needs root or sudo only then.
install_packages() {
    local wanted="" missing="" set package as_root=""
    for set in "$@"; do
        wanted="$wanted $(sed -n "s/^$set: //p" "$top/deploy/packages")"
    done
    for package in $wanted; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "these packages are missing and there is no sudo:$missing"
        as_root=sudo
    fi
    printf '    installing:%s\n' "$missing"
    local log
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { $as_root apt-get update -q &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install the packages"
    fi
    rm -f "$log"
}

# build FOLDER TARGETS CMAKE-OPTIONS...: configures and builds; "all" builds everything. Output only on failure.
build() {
    local folder=$1 targets=$2 log
    shift 2
    log=$folder/build.log
    mkdir -p "$folder" && { : >"$log"; } || fail "cannot write to $folder"
    # shellcheck disable=SC2086
    if ! { cmake -S "$top" -B "$folder" -G Ninja "$@" && ninja -C "$folder" $targets; } >"$log" 2>&1; then
        grep -E -A8 'error|FAILED|CMake Error' "$log" | head -n 60 >&2 || tail -n 30 "$log" >&2
        fail "the build in $folder failed; all of it is in $log"
    fi
}
