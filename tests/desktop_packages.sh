#!/bin/sh
# Install what a virtual desktop needs for tests and for `make demo-record`, where Debian's apt-get is there and may be used.
# Never fails: what is missing then is said here, and tests that need it say so as they skip.
set -u
wanted="at-spi2-core chromium dbus fonts-dejavu-core gir1.2-gtk-3.0 gir1.2-gtk-4.0 imagemagick openbox python3-gi python3-pyqt5
    x11-utils x11-xkb-utils xdotool xterm xvfb zenity"

missing() {
    for package in $wanted; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || printf ' %s' "$package"
    done
}
command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || { echo "desktop tests: no apt-get here"; exit 0; }
packages=$(missing)
[ "$packages" ] || exit 0
sudo=
if [ "$(id -u)" != 0 ]; then
    sudo="sudo -n"
    $sudo true 2>/dev/null || { echo "desktop tests: install$packages to run them all"; exit 0; }
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt="timeout 400 $sudo apt-get -o DPkg::Lock::Timeout=200 -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
# Package lists may be old or missing: fetched only then.
{ $apt install --yes --no-install-recommends $packages || { $apt update && $apt install --yes --no-install-recommends $packages; }
} >"$log" 2>&1 </dev/null || echo "desktop tests: could not be installed:$(missing): $(tail -1 "$log")"
