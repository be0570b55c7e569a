#!/usr/bin/env bash
# One system on one test set over N batch jobs, then one job that puts the pieces together. No scheduler of our own:
# every job speaks and scores its share, `ttsbench merge` joins the run folders on the shared disk.
#
#   PIECES=8 SYSTEM=llasa TESTSET=seed-en=/data/seedtts/en/meta.lst sbatch --array=1-8 examples/slurm.sh
#   sbatch --dependency=afterok:JOBID --wrap "ttsbench merge pieces/*of8 --into runs/llasa@seed-en && ttsbench report runs"
#
#SBATCH --job-name=ttsbench
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
set -euo pipefail

: "${SYSTEM:?set SYSTEM, for example llasa}" "${TESTSET:?set TESTSET, see ttsbench list testsets}"
: "${PIECES:?set PIECES, the N of --array=1-N}" "${PROTOCOL:=embedded}"

# A job that is stopped and queued again goes on where it was: the run folder is resumed.
ttsbench run --system "$SYSTEM" --testset "$TESTSET" --protocol "$PROTOCOL" --device "${DEVICE:-cuda}" \
    --shard "${SLURM_ARRAY_TASK_ID:?start this with --array}/$PIECES" --out pieces
