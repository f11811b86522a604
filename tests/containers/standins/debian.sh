#!/usr/bin/env bash
# debian.sh <suite> <certificates>: makes the image standin/debian:<suite> with debootstrap, unless there is one.
set -euo pipefail
suite=$1 certificates=$2
docker image inspect "standin/debian:$suite" > /dev/null 2>&1 && exit
folder=$(mktemp --directory)
trap 'rm -rf --one-file-system "$folder"' EXIT
# One script serves all suites; a new one may have none of its own.
debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder" http://deb.debian.org/debian \
    /usr/share/debootstrap/scripts/sid
umount "$folder/proc" "$folder/sys" 2> /dev/null || true
cp "$certificates" "$folder/etc/ssl/certs/ca-certificates.crt"
# The testing suite's index may be old by this machine's clock.
echo 'Acquire::Check-Valid-Until "false";' > "$folder/etc/apt/apt.conf.d/99-stand-in"
tar -C "$folder" --one-file-system --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' \
    --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . |
    docker import --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
        --change 'CMD ["bash"]' - "standin/debian:$suite"
