#!/usr/bin/env bash
# Builds the image agent-sandbox on Debian instead of Ubuntu, from packages alone, where no registry of images can be
# reached. Prints the path of an OCI image layout in a tar, which `atoll image import` takes.
#
#   images/agent-sandbox/build-debian.sh [SUITE]
#
# What was built once is kept outside the checkout, by a digest of what it is made from.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib.sh
. ../../scripts/lib.sh

suite=${1:-bookworm}
case $(uname -m) in
    x86_64) cpu=amd64 ;;
    aarch64) cpu=arm64 ;;
    *) die "there is no Node for $(uname -m) here" ;;
esac
recipe=$(cat Dockerfile packages package.json package-lock.json setup.sh build-debian.sh <(echo "$suite $cpu") |
    sha256sum | cut -c1-12)
image=$TOOLS/agent-sandbox-$recipe.tar
if [ -e "$image" ]; then
    printf '%s\n' "$image"
    exit 0
fi

have mmdebstrap || apt_install "an image of Debian's packages" mmdebstrap
have npm || apt_install "what the image has of npm" nodejs npm
say "building the image agent-sandbox: this takes minutes, once"
mkdir -p "$TOOLS"
# Only root can remove what was made as root.
as_root rm -rf "$TOOLS"/agent-sandbox-*
work=$(mktemp -d "$TOOLS/agent-sandbox-XXXXXX")
trap 'as_root rm -rf "$work"' EXIT

# Checked against the digests of the lock file, and nothing of it is run here. Not `npm ci`: see scripts/lib.sh.
mkdir "$work/agent-tools"
cp package.json package-lock.json "$work/agent-tools"
(cd "$work/agent-tools" && npm install --silent --no-audit --no-fund --ignore-scripts >&2)
rm -rf "$work"/agent-tools/node_modules/node-linux-*/{share,include}

# shellcheck disable=SC2016 # mmdebstrap's shell is told the folder
as_root mmdebstrap --quiet --variant=minbase --include="$(tr '\n' ' ' <packages)" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='copy-in '"$work"'/agent-tools /opt' \
    --customize-hook='chroot "$1" chown -R root:root /opt/agent-tools' \
    --customize-hook='copy-in setup.sh /tmp' \
    --customize-hook='chroot "$1" sh /tmp/setup.sh' \
    --customize-hook='rm -f "$1/tmp/setup.sh"' \
    "$suite" "$work/layer.tar" </dev/null >&2
as_root chown "$(id -u):$(id -g)" "$work/layer.tar"

# The layout: each document under the digest of what it holds.
line() { sed -n "s/^$1 //p" Dockerfile | tail -n 1; }
env=$(sed -n 's/^ENV \(.*\)$/"\1"/p' Dockerfile | paste -sd,)
layout=$work/layout
mkdir -p "$layout/blobs/sha256"
# Puts a file under its digest; prints the digest and the size, as a descriptor has them.
blob() {
    local digest size
    digest=$(sha256sum <"$1" | cut -d' ' -f1)
    size=$(stat -c %s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
    printf '"digest":"sha256:%s","size":%s' "$digest" "$size"
}
kind=application/vnd.oci.image
layer=$(blob "$work/layer.tar")
diff_id=$(cut -d'"' -f4 <<<"$layer")
printf '{"architecture":"%s","os":"linux","config":{"User":"%s","WorkingDir":"%s","Env":[%s]},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
    "$cpu" "$(line USER)" "$(line WORKDIR)" "$env" "$diff_id" >"$work/config"
config=$(blob "$work/config")
printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json",%s},"layers":[{"mediaType":"%s.layer.v1.tar",%s}]}' \
    "$kind" "$kind" "$config" "$kind" "$layer" >"$work/manifest"
manifest=$(blob "$work/manifest")
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json",%s}]}' "$kind" "$manifest" >"$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
tar -C "$layout" --owner=0 --group=0 -cf "$work/image.tar" .
mv "$work/image.tar" "$image"
printf '%s\n' "$image"
