#!/bin/sh
# Installs Ampyard as a service, or brings an installation up to date. Can be run again at any time.
set -eu

usage() {
    cat <<'TEXT'
usage: install.sh [--dry-run] SOURCE [-- PIP-OPTION...]
       install.sh [--dry-run] --uninstall

SOURCE       a wheel (ampyard-*.whl) or a checkout
--dry-run    says what would be done, and does nothing
--uninstall  removes service and program; keeps /etc/ampyard and /var/lib/ampyard
PIP-OPTION   passed to pip, for example: -- --no-index --find-links /media/usb/wheels

Environment: PYTHON (default python3) makes the virtual environment.
AMPYARD_COMPILE=0 leaves the allocation of a checkout as Python; else it is compiled where there is a C compiler.
DESTDIR puts the files below a folder, to look at them: no user is made, no service touched, no root needed.
TEXT
}

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

run() {
    if [ "$dry_run" = yes ]; then
        echo "would run: $*"
    else
        "$@"
    fi
}

# Root's work on the live system; left out while staging.
run_live() {
    if [ -z "$root" ]; then
        run "$@"
    fi
}

install_file() {  # MODE SOURCE TARGET
    run install -D -m "$1" "$here/$2" "$root$3"
}

check_python() {
    "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null ||
        fail "$python must be Python 3.11 to 3.13 with the venv module (Debian: apt-get install python3-venv)"
}

check_source() {
    case $source in
        *.whl) [ -f "$source" ] || fail "there is no wheel $source" ;;
        *) [ -f "$source/setup.cfg" ] && [ -d "$source/controller" ] || fail "$source is neither a wheel nor a checkout" ;;
    esac
}

# A copy without the leftovers of earlier builds, and so that root leaves none in the checkout.
copy_checkout() {
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    for part in pyproject.toml setup.cfg setup.py README.md LICENSE controller drivers sim firmware-profiles; do
        if [ -e "$source/$part" ]; then
            cp -R "$source/$part" "$copy/"
        fi
    done
    source=$copy
}

# Of a checkout the allocation is compiled where that is possible: a C compiler, and Python's headers.
can_compile() {
    [ "${AMPYARD_COMPILE:-1}" != 0 ] && [ -d "$source" ] && "$python" - <<'TEXT' 2>/dev/null
import os, pathlib, shutil, sys, sysconfig
compiler = os.environ.get("CC") or sysconfig.get_config_var("CC")
headers = pathlib.Path(sysconfig.get_path("include"), "Python.h")
sys.exit(shutil.which(compiler.split()[0]) is None or not headers.exists())
TEXT
}

pip_install() {  # COMPILE RELEASE PIP-ARGUMENT...
    compile=$1 target=$root$2
    shift 2
    run env AMPYARD_COMPILE="$compile" "$target/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

install_package() {  # RELEASE PIP-OPTION...
    if can_compile; then
        if pip_install 1 "$@" "$source"; then
            return
        fi
        echo "the allocation could not be compiled (see above); trying without"
    fi
    pip_install 0 "$@" "$source"
}

say_kind() {  # RELEASE
    if [ "$dry_run" = no ]; then
        "$root$1/bin/python" -I - <<'TEXT' 2>/dev/null || true
from controller.allocation.compiled import is_compiled
print("allocation:", "compiled" if is_compiled() else "Python (is compiled where gcc and python3-dev are installed)")
TEXT
    fi
}

# Each version gets an environment of its own; the link moves only when it is complete, and the one before stays.
install_program() {
    release=/opt/ampyard/releases/$(date -u +%Y%m%d-%H%M%S)-$$
    previous=$(readlink "$root/opt/ampyard/venv" 2>/dev/null || true)
    if [ "$dry_run" = no ] && [ -d "$source" ]; then
        copy_checkout
    fi
    run mkdir -p "$root/opt/ampyard/releases"
    run "$python" -m venv "$root$release"
    if ! install_package "$release" "$@" ||
        ! run "$root$release/bin/ampyard" --help >/dev/null; then
        rm -rf "${root:?}$release"
        fail "the program could not be installed; what was installed before is unchanged"
    fi
    say_kind "$release"
    run ln -sfn "$release" "$root/opt/ampyard/venv.new"
    run mv -T "$root/opt/ampyard/venv.new" "$root/opt/ampyard/venv"
    for old in "$root"/opt/ampyard/releases/*; do
        case ${old#"$root"} in
            "$release" | "$previous" | '/opt/ampyard/releases/*') ;;
            *) run rm -rf "$old" ;;
        esac
    done
}

install_units() {
    install_file 0644 ampyard.service /etc/systemd/system/ampyard.service
    install_file 0644 ampyard.sysusers /usr/lib/sysusers.d/ampyard.conf
    install_file 0644 ampyard.tmpfiles /usr/lib/tmpfiles.d/ampyard.conf
    install_file 0644 60-ampyard.rules /etc/udev/rules.d/60-ampyard.rules
    run_live systemd-sysusers ampyard.conf
    run_live systemd-tmpfiles --create ampyard.conf
    run_live udevadm control --reload
    run_live udevadm trigger --subsystem-match=tty --subsystem-match=usb-serial --action=add
    run_live systemctl daemon-reload
}

# So that `ampyard` is found as a command; what somebody else put there stays.
link_command() {
    if [ -e "$command" ] || [ -L "$command" ]; then
        is_our_command || { echo "kept: /usr/local/bin/ampyard, which is not of this installation"; return; }
    fi
    run mkdir -p "$root/usr/local/bin"
    run ln -sfn "$program" "$command"
}

is_our_command() {
    [ "$(readlink "$command")" = "$program" ]
}

install_configuration() {
    if [ -e "$root/etc/ampyard/site.toml" ]; then
        echo "kept: /etc/ampyard/site.toml"
    else
        install_file 0640 site.example.toml /etc/ampyard/site.toml
        run_live chgrp ampyard /etc/ampyard/site.toml
    fi
}

say_next() {
    cat <<'TEXT'

Next:
  1. Describe the site:   editor /etc/ampyard/site.toml
  2. Have it checked:     sudo -u ampyard ampyard check /etc/ampyard/site.toml
  3. Start the service:   systemctl enable --now ampyard
  4. See it:              http://127.0.0.1:8080/   (from elsewhere: ssh -L 8080:127.0.0.1:8080 THIS-MACHINE)
                          journalctl -u ampyard
TEXT
}

install_all() {
    check_python
    check_source
    install_program "$@"
    link_command
    install_units
    install_configuration
    run_live systemctl try-restart ampyard.service
    say_next
}

uninstall() {
    if [ -e "$root/etc/systemd/system/ampyard.service" ]; then
        run_live systemctl disable --now ampyard.service
    fi
    run rm -f "$root/etc/systemd/system/ampyard.service" "$root/usr/lib/sysusers.d/ampyard.conf" \
        "$root/usr/lib/tmpfiles.d/ampyard.conf" "$root/etc/udev/rules.d/60-ampyard.rules"
    if is_our_command; then
        run rm -f "$command"
    fi
    run rm -rf "$root/opt/ampyard"
    run_live systemctl daemon-reload
    run_live udevadm control --reload
    echo "kept: /etc/ampyard, /var/lib/ampyard and the user ampyard"
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=${DESTDIR:-}
program=/opt/ampyard/venv/bin/ampyard
command=$root/usr/local/bin/ampyard
python=${PYTHON:-python3}
dry_run=no
action=install
source=

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry_run=yes ;;
        --uninstall) action=uninstall ;;
        -h | --help) usage; exit 0 ;;
        --) shift; break ;;
        -*) usage >&2; fail "unknown option $1" ;;
        *) [ -z "$source" ] || fail "one SOURCE only"; source=$1 ;;
    esac
    shift
done

if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    fail "must be run as root (or with DESTDIR, to stage the files)"
fi
umask 022
if [ "$action" = uninstall ]; then
    uninstall
elif [ -z "$source" ]; then
    usage >&2
    exit 2
else
    install_all "$@"
fi
