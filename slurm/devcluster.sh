#!/usr/bin/env bash
# A SLURM cluster of two nodes on this machine, for tests and experiments.
#
#   eval "$(slurm/devcluster.sh start)"          start; it prints only the export of SLURM_CONF
#   slurm/devcluster.sh start --no-accounting    start without accounting: sacct fails, as on many small clusters
#   slurm/devcluster.sh start --max-array-size 4 --max-submit-jobs 3
#                                                start with limits: MaxArraySize, and submitted jobs per user
#   slurm/devcluster.sh stop                     end all processes that start has begun, and remove the folder
#
# All files are in one folder, which only this user can open; set AE_BENCH_DEVCLUSTER to use another one. start makes
# it, or takes an empty folder of mode 700, and leaves a marker file in it. stop refuses a folder without that marker.
# System files are not changed: munge, the database and all daemons have their own sockets, ports and logs. The
# partitions are low (the default) and high, which preempts low by requeueing. There are no GPUs and no memory limits,
# as it does not use cgroups.
set -euo pipefail
umask 077 # all files are private from their first byte: the key, the database, the configuration

folder=${AE_BENCH_DEVCLUSTER:-${TMPDIR:-/tmp}/ae-bench-devcluster-$(id -u)}
marker=ae-bench-devcluster.marker
PATH=$PATH:/usr/sbin:/sbin
packages="slurm-wlm munge"
daemons="munged slurmctld slurmd"
all_daemons="slurmctld slurmd slurmdbd mariadbd munged" # in the order in which stop ends them
is_started=no

fail() {
    echo "devcluster: $*" >&2
    exit 1
}

check_path() { # Its text is written to configuration files and evaluated by shells.
    [[ $folder =~ ^[A-Za-z0-9_./+@-]+$ ]] ||
        fail "AE_BENCH_DEVCLUSTER names '${folder//[[:cntrl:]]/?}'; a path may have letters, digits and _ . / + @ - only"
    while [[ $folder == ?*/ ]]; do folder=${folder%/}; done
    [ ! -L "$folder" ] || fail "$folder is a link; name the folder itself"
    folder=$(realpath -m -- "$folder")
    ((${#folder} <= 90)) || fail "$folder has ${#folder} characters; sockets in it need a path of at most 90"
    export SLURM_CONF=$folder/slurm.conf # of all daemons; is_daemon recognizes them by it
}

is_private() { # a folder of this user that nobody else can open
    [ -d "$folder" ] && [ ! -L "$folder" ] && [ -O "$folder" ] && [[ $(stat -c %a -- "$folder") =~ ^[0-7]?700$ ]]
}

is_marked() { # a folder that start has made or taken
    is_private && [ -f "$folder/$marker" ] && [ ! -L "$folder/$marker" ] && [ -O "$folder/$marker" ]
}

is_daemon() { # PID NAME: whether a process is a daemon of this name, of this user and for this folder
    local name
    { read -r name <"/proc/$1/comm"; } 2>/dev/null && [ "$name" = "$2" ] && [ -O "/proc/$1" ] &&
        grep -qzxF "SLURM_CONF=$SLURM_CONF" "/proc/$1/environ" 2>/dev/null
}

running() { # NAME...: a line PID NAME for each daemon of these names that runs for this folder
    local name entry
    for name in "$@"; do
        for entry in /proc/[0-9]*; do # not from pid files, which may be missing, old or false
            if is_daemon "${entry#/proc/}" "$name"; then echo "${entry#/proc/} $name"; fi
        done
    done
}

make_folder() {
    local parent origin=made
    parent=$(dirname -- "$folder")
    mkdir -p -- "$parent"
    [ -z "$(find "$parent" -maxdepth 0 -perm -0002 ! -perm -1000)" ] ||
        fail "every user may rename files in $parent; set AE_BENCH_DEVCLUSTER to a folder elsewhere"
    if [ -e "$folder" ]; then
        is_private || fail "$folder exists and is not a folder of $(id -un) with mode 700; set AE_BENCH_DEVCLUSTER to" \
            "a folder that does not exist"
        if is_marked; then
            [ -z "$(running $all_daemons)" ] || fail "a cluster runs in $folder already; run slurm/devcluster.sh stop first"
            remove_files # its daemons have ended, for example with the machine
        fi
    fi
    if [ -e "$folder" ]; then
        [ -z "$(ls -A -- "$folder")" ] || fail "$folder has files of others; set AE_BENCH_DEVCLUSTER to a folder that" \
            "does not exist"
        origin=found
    else
        mkdir -m 700 -- "$folder"
    fi
    # Signals end the script by exit: killed by one, bash does not always run the trap of EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap '[ $is_started = yes ] || { tail -n 5 "$folder"/*.log; stop; } >&2' EXIT
    echo "$origin by slurm/devcluster.sh, whose command stop removes all files here" >"$folder/$marker"
}

remove_files() { # all files of a marked folder; the folder too, unless start found it
    local origin
    read -r origin _ <"$folder/$marker"
    for _ in 1 2 3 4 5; do # a process that is about to end may still write a file
        find "$folder" -mindepth 1 -maxdepth 1 ! -name "$marker" -exec rm -rf --one-file-system -- {} +
        [ -n "$(find "$folder" -mindepth 1 -maxdepth 1 ! -name "$marker" -print -quit)" ] || break
        sleep 0.2
    done
    rm -f -- "$folder/$marker"
    [ "$origin" = found ] || rmdir -- "$folder"
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

start_accounting() { # PORT MAX_SUBMIT_JOBS
    # The database answers on a socket in our folder only, and knows this user by the socket: it has no password.
    mkdir "$folder/db"
    mariadb-install-db --no-defaults --datadir="$folder/db" --user="$me" --auth-root-authentication-method=socket \
        --auth-root-socket-user="$me" --skip-test-db >>"$folder/daemons.log" 2>&1 ||
        fail "mariadb-install-db failed; see $folder/daemons.log"
    export MYSQL_UNIX_PORT=$folder/db.sock # the socket of the client library, which slurmdbd uses
    quietly mariadbd --no-defaults --datadir="$folder/db" --user="$me" --skip-networking --socket="$MYSQL_UNIX_PORT" \
        --pid-file="$folder/mariadbd.pid" --innodb-buffer-pool-size=64M >/dev/null 2>&1 & # redirected again, as a background function is a shell that keeps the outputs open
    until_true 30 "the database" mariadb --no-defaults -u "$me" -e "select 1"
    mariadb --no-defaults -u "$me" -e "create database slurm_acct_db" >>"$folder/daemons.log" 2>&1
    cat >"$folder/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$1
SlurmUser=$me
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=$me
StorageLoc=slurm_acct_db
PidFile=$folder/slurmdbd.pid
LogFile=$folder/slurmdbd.log
END
    quietly slurmdbd
    until_true 20 slurmdbd sacctmgr -n list cluster
    {
        sacctmgr -i add cluster dev
        if [ -n "$2" ]; then
            sacctmgr -i add account dev cluster=dev
            sacctmgr -i add user "$me" account=dev cluster=dev
            sacctmgr -i modify user "$me" set defaultaccount=dev
            sacctmgr -i modify qos normal set MaxSubmitJobsPerUser="$2"
        fi
    } >>"$folder/daemons.log" 2>&1
}

start() {
    local accounting=yes max_array_size="" max_submit_jobs=""
    while (($#)); do
        case $1 in
            --no-accounting) accounting=no ;;
            --max-array-size | --max-submit-jobs)
                [[ ${2:-} =~ ^[0-9]{1,6}$ ]] || fail "$1 needs a number, got '${2:-}'"
                if [ "$1" = --max-array-size ]; then max_array_size=$2; else max_submit_jobs=$2; fi
                shift
                ;;
            *) fail "unknown option $1. Known: --no-accounting, --max-array-size, --max-submit-jobs" ;;
        esac
        shift
    done
    if [ $accounting = yes ]; then
        packages+=" slurmdbd mariadb-server"
        daemons+=" slurmdbd mariadbd"
    elif [ -n "$max_submit_jobs" ]; then
        fail "--max-submit-jobs needs accounting; leave out --no-accounting"
    fi
    for daemon in $daemons; do
        command -v "$daemon" >/dev/null || fail "$daemon is missing; run as root: apt-get install $packages"
    done
    host=$(hostname -s)
    me=$(id -un)
    local port
    port=$(free_ports)
    make_folder
    mkdir "$folder/state"

    dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
    # --force: munged refuses to run as root, or with a socket in a folder that others cannot open
    quietly munged --force --key-file="$folder/munge.key" --socket="$folder/munge.sock" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"

    cat >"$folder/slurm.conf" <<END
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
END
    [ -z "$max_array_size" ] || echo "MaxArraySize=$max_array_size" >>"$folder/slurm.conf"
    [ -z "$max_submit_jobs" ] || echo "AccountingStorageEnforce=limits,qos" >>"$folder/slurm.conf"
    if [ $accounting = yes ]; then
        cat >>"$folder/slurm.conf" <<END
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 4))
AccountingStoragePass=$folder/munge.sock
END
        start_accounting $((port + 4)) "$max_submit_jobs"
    fi
    quietly slurmctld -c
    for node in n1 n2; do
        mkdir "$folder/spool-$node"
        quietly slurmd -N $node
    done
    until_true 60 "the two nodes" both_idle
    is_started=yes
    echo "export SLURM_CONF=$SLURM_CONF"
}

both_idle() {
    [ "$(sinfo -h -N -p low -o %T | grep -c '^idle$')" = 2 ]
}

stop() {
    [ -e "$folder" ] || return 0
    is_marked || fail "$folder was not made by slurm/devcluster.sh start: it is not a folder of $(id -un) with mode 700" \
        "and the file $marker. Nothing was ended or removed"
    local name pid
    if [ -n "$(running slurmctld)" ]; then
        timeout 5 scancel --quiet --user="$(id -un)" 2>/dev/null || true
        sleep 1
    fi
    while read -r pid name; do
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do
            is_daemon "$pid" "$name" || continue 2
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done < <(running $all_daemons)
    while read -r pid name; do # step daemons of jobs that did not end
        kill -9 "$pid" 2>/dev/null || true
    done < <(running slurmstepd)
    remove_files
}

check_path
case ${1:-} in
    start) start "${@:2}" ;;
    stop) stop ;;
    *) fail "usage: slurm/devcluster.sh start [--no-accounting] [--max-array-size N] [--max-submit-jobs N] | stop" ;;
esac
