#!/bin/sh
# Write a report of results.csv, best first. A step in any language: inputs and outputs are folders, a metric is a line.
set -eu
awk -F, -v title="$1" -v report="$SKYRAIL_OUTPUTS/report.md" '
    { row = "| " $0 " |"; gsub(",", " | ", row) }
    NR == 1 { print "# " title "\n\n" row "\n|---|---|---|" > report; next }
    NR == 2 { best = $3 }
    { print row > report; worst = $3 }
    END { printf "{\"settings\": %d, \"best_log_loss\": %s, \"worst_log_loss\": %s}\n", NR - 1, best, worst }
' "$SKYRAIL_INPUTS/results/results.csv"
