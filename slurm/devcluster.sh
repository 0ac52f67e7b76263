#!/usr/bin/env bash
# A SLURM cluster of two nodes on this machine, for tests and experiments.
#
#   eval "$(slurm/devcluster.sh start)"          start; it prints only the export of SLURM_CONF
#   slurm/devcluster.sh start --no-accounting    start without accounting: sacct fails, as on many small clusters
#   slurm/devcluster.sh stop                     end all processes that start has begun, and remove the folder
#
# All files are in one private folder; set AE_BENCH_DEVCLUSTER to use another one. System files are not changed: munge,
# the database and all daemons have their own sockets, ports and logs. The partitions are low (the default) and high,
# which preempts low by requeueing. There are no GPUs and no memory limits, as it does not use cgroups.
set -euo pipefail

folder=${AE_BENCH_DEVCLUSTER:-${TMPDIR:-/tmp}/ae-bench-devcluster-$(id -u)}
PATH=$PATH:/usr/sbin:/sbin
packages="slurm-wlm munge"
daemons="munged slurmctld slurmd"

fail() {
    echo "devcluster: $*" >&2
    exit 1
}

# The daemon must not keep our outputs open; otherwise a caller's $(...) would wait for it.
quietly() {
    setsid "$@" </dev/null >>"$folder/daemons.log" 2>&1
}

until_true() { # SECONDS WHAT COMMAND...
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "$what did not start in time; see $folder/*.log"
        sleep 0.2
    done
}

free_ports() { # the first of six consecutive ports that are not in use
    local base port
    for base in $(seq 21000 10 29000); do
        for port in $(seq "$base" $((base + 5))); do
            (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue 2
        done
        echo "$base"
        return
    done
    fail "no free ports between 21000 and 29000"
}

start_accounting() {
    local port=$1
    mkdir -p "$folder/db"
    mariadb-install-db --no-defaults --datadir="$folder/db" --user="$me" --auth-root-authentication-method=normal \
        --skip-test-db >>"$folder/daemons.log" 2>&1 || fail "mariadb-install-db failed; see $folder/daemons.log"
    quietly mariadbd --no-defaults --datadir="$folder/db" --user="$me" --bind-address=127.0.0.1 --port="$port" \
        --socket="$folder/db.sock" --pid-file="$folder/mariadbd.pid" --innodb-buffer-pool-size=64M >/dev/null 2>&1 & # redirected again, as a background function is a shell that keeps the outputs open
    until_true 30 "the database" mariadb --no-defaults --socket="$folder/db.sock" -u root -e "select 1"
    mariadb --no-defaults --socket="$folder/db.sock" -u root -e "
        create database slurm_acct_db; create user 'slurm'@'127.0.0.1' identified by 'slurm';
        grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1';" >>"$folder/daemons.log" 2>&1
    cat >"$folder/slurmdbd.conf" <<EOF
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((port + 1))
SlurmUser=$me
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$port
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
PidFile=$folder/slurmdbd.pid
LogFile=$folder/slurmdbd.log
EOF
    chmod 600 "$folder/slurmdbd.conf"
    SLURM_CONF=$folder/slurm.conf quietly slurmdbd
    until_true 20 slurmdbd sacctmgr -n list cluster
    sacctmgr -i add cluster dev >>"$folder/daemons.log" 2>&1
}

start() {
    local accounting=yes
    case ${1:-} in
        "") ;;
        --no-accounting) accounting=no ;;
        *) fail "unknown option $1. Known: --no-accounting" ;;
    esac
    if [ $accounting = yes ]; then
        packages+=" slurmdbd mariadb-server"
        daemons+=" slurmdbd mariadbd"
    fi
    for daemon in $daemons; do
        command -v "$daemon" >/dev/null || fail "$daemon is missing; run as root: apt-get install $packages"
    done
    [ -e "$folder/slurm.conf" ] && fail "$folder exists already; run slurm/devcluster.sh stop first"
    umask 022
    mkdir -p "$folder/state"
    trap 'code=$?; [ $code = 0 ] || { tail -n 5 "$folder"/*.log; stop; } >&2; exit $code' EXIT
    folder=$(cd "$folder" && pwd)
    host=$(hostname -s)
    me=$(id -un)
    local port
    port=$(free_ports)

    dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    chmod 600 "$folder/munge.key"
    # --force: munged refuses to run as root, or in a folder that others may write to
    quietly munged --force --key-file="$folder/munge.key" --socket="$folder/munge.sock" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"

    cat >"$folder/slurm.conf" <<EOF
ClusterName=dev
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
SlurmctldPort=$port
SlurmctldPidFile=$folder/slurmctld.pid
SlurmctldLogFile=$folder/slurmctld.log
StateSaveLocation=$folder/state
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmdLogFile=$folder/slurmd-%n.log
SlurmdSpoolDir=$folder/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MailProg=/bin/true
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# Short times, so that dead nodes, killed jobs and old jobs are handled within seconds.
SlurmdTimeout=15
KillWait=5
MinJobAge=20
SchedulerParameters=batch_sched_delay=1,sched_interval=5,bf_interval=5
NodeName=n[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=1 RealMemory=4000
PartitionName=low Nodes=n[1-2] Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=5 MaxTime=600 State=UP
PartitionName=high Nodes=n[1-2] PriorityTier=10 PreemptMode=OFF MaxTime=600 State=UP
EOF
    export SLURM_CONF=$folder/slurm.conf
    if [ $accounting = yes ]; then
        cat >>"$folder/slurm.conf" <<EOF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 4))
AccountingStoragePass=$folder/munge.sock
EOF
        start_accounting $((port + 3))
    fi
    quietly slurmctld -c
    for node in n1 n2; do
        mkdir -p "$folder/spool-$node"
        quietly slurmd -N $node
    done
    until_true 60 "the two nodes" both_idle
    echo "export SLURM_CONF=$folder/slurm.conf"
}

both_idle() {
    [ "$(sinfo -h -N -p low -o %T | grep -c '^idle$')" = 2 ]
}

stop() {
    [ -d "$folder" ] || return 0
    export SLURM_CONF=$folder/slurm.conf
    if [ -e "$folder/slurmctld.pid" ]; then
        timeout 5 scancel --quiet --user="$(id -un)" 2>/dev/null || true
        sleep 1
    fi
    local name pid
    for name in slurmctld slurmd-n1 slurmd-n2 slurmdbd mariadbd munged; do
        pid=$(cat "$folder/$name.pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
    # Step daemons of jobs that did not end; their environment names our private folder
    for pid in $(pgrep -x slurmstepd || true); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "SLURM_CONF=$folder/slurm.conf" && kill -9 "$pid"
    done
    rm -rf "$folder"
}

case ${1:-} in
    start) start "${@:2}" ;;
    stop) stop ;;
    *) fail "usage: slurm/devcluster.sh start [--no-accounting] | stop" ;;
esac
