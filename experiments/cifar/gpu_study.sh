#!/usr/bin/env bash
# The accelerator's study, part after part, on a machine that may be taken away at any moment.
#
#   experiments/cifar/gpu_study.sh IMAGES RESULTS [MINUTES] [WORK]
#
# IMAGES holds CIFAR-10 and CIFAR-100 in official layouts (PROVENANCE.txt beside them says what they are). WORK (default:
# a new folder) takes everything, checkpoints of hundreds of megabytes included; RESULTS takes what is worth bringing home
# as it comes, every few seconds: configurations, records, logs, metrics, timings and the summary, no file above 15 MiB
# (larger ones are packed and cut: cat NAME.gz.part-* | gunzip). Given the same WORK, or committed results, it goes on.
# REHEARSE=1 runs one tiny item of each kind first.
set -uo pipefail

if [ $# -lt 2 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
images=$1 results=$2 minutes=${3:-30} work=${4:-$(mktemp -d)}
mkdir -p "$results" "$work"
deadline=$(($(date +%s) + minutes * 60))
# a part begins in a process of its own, and the kernel's processes need room beside it
export XLA_PYTHON_CLIENT_PREALLOCATE=false

bring_home() {
  (cd "$work" && find . -type f \( -name '*.json' -o -name '*.jsonl' -o -name '*.md' -o -name '*.csv' \) \
    -not -path './rehearsal/*' -not -path '*/checkpoints/*' -not -path './compiled/*' -size -15M -print0 |
    tar --null --files-from=- -cf - 2>/dev/null) | tar -C "$results" -xf - 2>/dev/null
  (cd "$work" && find . -type f -name '*.json*' -not -path '*/checkpoints/*' -not -path './compiled/*' -size +15M) |
    while read -r large; do
      mkdir -p "$results/$(dirname "$large")"
      gzip -c "$work/$large" | split -b 15M - "$results/$large.gz.part-"
    done
}

(while sleep 15; do bring_home; done) > /dev/null 2>&1 &
bringing=$!
trap 'kill $bringing 2>/dev/null; bring_home' EXIT

if [ "${REHEARSE:-0}" = 1 ]; then
  python -m experiments.cifar reproduce --folder "$images" --out "$work/rehearsal" --minutes "$minutes" --rehearse
fi
for part in a b c d e f; do
  left=$(((deadline - $(date +%s)) / 60))
  if [ "$left" -lt 1 ]; then
    echo "out of time before part $part" >&2
    break
  fi
  echo "part $part, $left minutes left" >&2
  # whatever becomes of it, the next part is worth measuring
  python -m experiments.cifar reproduce --folder "$images" --out "$work" --minutes "$left" --parts "$part" || true
done
