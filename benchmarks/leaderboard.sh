#!/usr/bin/env bash
# One leaderboard of two published systems' recordings and of everything that speaks here, on the same 58 sentences.
#
#   benchmarks/leaderboard.sh ../shared/data/published-values/libritts-systems OUT [RUN ...]
#
# From the repository's root. OUT/runs gets the run folders and OUT/board the leaderboard; a second call goes on from
# there. RUN adds other run folders, on whatever test sets.
set -euo pipefail
folder=$1 out=$2
shift 2
table="table=$folder/samples.tsv,text=wer_ref,prompt=enroll,truth=path,id=utt,only=system:reference_raw,name=libritts-58"
# Exit status 1 says that rows have no speech: such rows are counted on the board.
ttsbench score "$folder/short/yourtts" "$folder/short/valle" --testset "$table" --out "$out/runs" > "$out.log" || true
ttsbench run --testset "$table" --out "$out/runs" >> "$out.log" || true
ttsbench run --system flite --system espeak-ng --testset "$table" --out "$out/runs" >> "$out.log" || true
ttsbench leaderboard "$out"/runs/*@* "$@" --out "$out/board"
