#!/usr/bin/env bash
# Two servers, as somebody starts them by hand.
set -euo pipefail
MODELS=${MODELS:-/srv/gguf}
CHAT="$MODELS/qwen3 8b.gguf"
COMMON=(-ngl 99 --flash-attn on)   # both
export CUDA_VISIBLE_DEVICES=0

echo "starting; $(date)"
nohup nice -n 10 numactl -C 0-7 /opt/llama/llama-server \
    -m "$CHAT" \
    "${COMMON[@]}" -c 16384 --host 0.0.0.0 --port 8080 -np 2 \
    --alias qwen \
    -t $(nproc) > /var/log/qwen.log 2>&1 &

cd /opt/llama
if [ -f models/embed.gguf ]; then
  LLAMA_LOG=1 sudo -u ai ./llama-server -m models/embed.gguf --embedding --port 8081 -np 1 "$@" &
fi
wait
