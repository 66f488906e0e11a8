# shellcheck shell=bash
# Sourced by the scripts that build or test. Each need_* checks one thing and remembers what is missing, so that
# `missing_report` can name everything at once instead of one thing per run.

missing_lines=()

# need COMMAND PACKAGE PURPOSE
need() {
    command -v "$1" >/dev/null 2>&1 || missing_lines+=("$1 ($3): Debian package $2")
}

# Any Rust from the oldest that Cargo.toml declares; Debian stable's own cargo is usually older. rustup takes the version of
# rust-toolchain.toml, and fetches it where it is absent. Where it cannot (no network, RUSTUP_AUTO_INSTALL=0), its default
# serves: whoever calls a script then builds with what is there.
need_rust() {
    local wanted have default
    wanted=$(sed -n 's/^rust-version *= *"\(.*\)"$/\1/p' "$1/Cargo.toml")
    if command -v rustup >/dev/null && ! (cd "$1" && cargo --version >/dev/null) && default=$(rustup default); then
        export RUSTUP_TOOLCHAIN=${default%% *}
        printf 'Rust %s serves instead: the version of rust-toolchain.toml is not to be had\n' "$RUSTUP_TOOLCHAIN" >&2
    fi
    have=$(cd "$1" && cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p') || true
    if [ -z "$have" ]; then
        missing_lines+=("cargo (Rust $wanted or newer): https://rustup.rs, or Debian package rustup, then 'rustup default stable'")
    elif [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1)" != "$wanted" ]; then
        missing_lines+=("Rust $wanted or newer, found $have: 'rustup update stable', or https://rustup.rs")
    fi
}

# need_build ROOT: what it takes to compile the program.
need_build() {
    need_rust "$1"
    # A compiler without the C library's headers is no use to the client's sources.
    if ! printf '#include <stdio.h>\n' | cc -E - >/dev/null 2>&1; then
        missing_lines+=("cc with the C library's headers (the Kafka client is compiled from source): Debian package build-essential")
    fi
    need make make "builds the Kafka client"
    choose_openssl "$1" || need perl perl "configures OpenSSL's build (or its headers: Debian packages libssl-dev and pkg-config)"
}

# The Kafka client takes this machine's OpenSSL where its headers are found, and otherwise one that is compiled with it, which
# costs minutes; fails where it is the latter. Cargo is told by a file that git ignores, so that whoever calls it by hand
# gets the same and nothing is compiled twice. OPENSSL_NO_VENDOR in the environment goes before it: 0 compiles, 1 does not.
choose_openssl() {
    local file=$1/.cargo/config.toml mark='# Written by scripts/lib/prerequisites.sh: may be removed.'
    case ${OPENSSL_NO_VENDOR:-} in
    '') ;;
    0) return 1 ;;
    *) return 0 ;;
    esac
    # Nobody's own settings are touched.
    if [ ! -e "$file" ] || [ "$(head -n 1 "$file")" = "$mark" ]; then
        # Older ones than 3.0 are not tested, and say what is wrong in other words.
        if pkg-config --atleast-version=3.0 openssl 2>/dev/null; then
            [ -e "$file" ] || {
                mkdir -p "${file%/*}"
                printf '%s\n[env]\nOPENSSL_NO_VENDOR = "1"\n' "$mark" >"$file.$$" && mv -f "$file.$$" "$file"
            }
        else
            rm -f "$file"
        fi
    fi
    grep -q '^OPENSSL_NO_VENDOR = "1"' "$file" 2>/dev/null
}

# need_python pip | without-pip
need_python() {
    local has_python=yes
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then
        has_python=no
        missing_lines+=("python3 (3.8 or newer): Debian package python3")
    fi
    if [ "$1" = pip ] && { [ $has_python = no ] || ! python3 -m pip --version >/dev/null 2>&1; }; then
        missing_lines+=("pip (fetches ONNX Runtime): Debian package python3-pip")
    fi
}

# Prints the path of java, or fails.
java_program() {
    if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then
        printf '%s\n' "$JAVA_HOME/bin/java"
    else
        command -v java
    fi
}

need_java() {
    local java version
    if ! java=$(java_program); then
        missing_lines+=("java (17 or newer, runs Apache Kafka and the schema registry): Debian package openjdk-17-jre-headless")
        return
    fi
    version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1) || true
    if [ "${version:-0}" -lt 17 ]; then
        missing_lines+=("Java 17 or newer, found ${version:-an unknown version} at $java: Debian package openjdk-17-jre-headless")
    fi
}

# need_maven [WHAT]
need_maven() {
    need mvn maven "fetches ${1:-Apache Kafka}"
}

# Prints what is missing to stderr. Fails when something is.
missing_report() {
    [ "${#missing_lines[@]}" -eq 0 ] && return 0
    printf '%s: missing on this machine:\n' "$1" >&2
    printf '  - %s\n' "${missing_lines[@]}" >&2
    return 1
}
