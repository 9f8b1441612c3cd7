#!/bin/sh
# Run as root inside the image, on Ubuntu and on Debian: gives what npm brought its names, and `agent` his home.
set -eu

tools=/opt/agent-tools/node_modules
case $(uname -m) in
    x86_64) cpu=x64 ;;
    aarch64) cpu=arm64 ;;
    *) echo "there is no Node for $(uname -m) here" >&2; exit 1 ;;
esac
ln -sf "$tools/node-linux-$cpu/bin/node" /usr/local/bin/node
ln -sf "$tools/npm/bin/npm-cli.js" /usr/local/bin/npm
ln -sf "$tools/npm/bin/npx-cli.js" /usr/local/bin/npx
ln -sf "$tools/@anthropic-ai/claude-code-linux-$cpu/claude" /usr/local/bin/claude
chmod 755 "$tools/node-linux-$cpu/bin/node" "$tools/@anthropic-ai/claude-code-linux-$cpu/claude"

# Ubuntu's image has a user of this id already.
if id ubuntu >/dev/null 2>&1; then userdel --remove ubuntu; fi
useradd --uid 1000 --user-group --create-home --shell /bin/bash agent
install --directory --owner agent --group agent /home/agent/.local /home/agent/.local/bin

# Each is there and runs.
for each in python3 node npm git tmux claude; do
    command -v "$each" >/dev/null || { echo "$each is missing" >&2; exit 1; }
done
node --version >/dev/null
