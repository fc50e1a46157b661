#!/bin/sh
# Backups of one PostgreSQL server with its own tools, from which it can be restored to any moment.
#
#   backup.sh wal               stream the write-ahead log into BACKUPS/wal; runs for ever, and continues after a restart
#   backup.sh base              take a base backup, verify it, and delete the oldest ones
#   backup.sh schedule          the two above: one base backup now, and one every BACKUP_EVERY seconds
#   backup.sh restore MOMENT DIRECTORY
#                               make DIRECTORY a data directory that replays the log up to MOMENT and is then writable
#
# BACKUPS: the directory, on another disk than the data. The server is named by PGHOST, PGPORT, PGUSER and PGPASSWORD or
# PGPASSFILE, of a role with REPLICATION. BACKUPS_KEPT: how many base backups stay.
set -eu
: "${BACKUPS:?set it to the directory of the backups}"
SLOT=${BACKUP_SLOT:-backup}

wal() {
    mkdir -p "$BACKUPS/wal"
    # The slot makes the server keep what was not streamed yet, also while this script is down: watch the server's disk.
    pg_receivewal --no-password --slot="$SLOT" --create-slot --if-not-exists
    exec pg_receivewal --no-password --slot="$SLOT" --directory="$BACKUPS/wal" --status-interval=2
}

base() {
    mkdir -p "$BACKUPS/base"
    rm -rf "$BACKUPS"/base/*.unverified
    new=$BACKUPS/base/new.unverified
    pg_basebackup --no-password --pgdata="$new" --checkpoint=fast --wal-method=stream
    name=$(date -u +%Y%m%dT%H%M%SZ)  # of its end: no earlier moment can be restored from it
    pg_verifybackup --quiet "$new"
    mv "$new" "$BACKUPS/base/$name"
    prune
    echo "verified: $BACKUPS/base/$name"
}

prune() {
    ls "$BACKUPS/base" | sort -r | tail -n +$((${BACKUPS_KEPT:-7} + 1)) | while read -r old; do
        rm -rf "$BACKUPS/base/${old:?}"
    done
    oldest=$(ls "$BACKUPS/base" | sort | head -n 1)
    first=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' "$BACKUPS/base/$oldest/backup_label")
    test ! -d "$BACKUPS/wal" || pg_archivecleanup "$BACKUPS/wal" "$first"
}

schedule() {
    # If streaming ends, this ends too, so that whatever runs it starts both again.
    wal & streaming=$!
    trap 'kill $streaming' EXIT
    trap 'exit 0' TERM INT
    while kill -0 $streaming; do
        base
        waited=0
        while [ $waited -lt "${BACKUP_EVERY:-86400}" ] && kill -0 $streaming; do
            sleep 5
            waited=$((waited + 5))
        done
    done
    exit 1
}

restore() {
    moment=$1 directory=$2
    wanted=$(date -u -d "$moment" +%Y%m%dT%H%M%SZ)
    chosen=$(ls "$BACKUPS/base" | grep -v unverified | sort | awk -v wanted="$wanted" '$0 < wanted' | tail -n 1)
    test -n "$chosen" || { echo "no base backup is older than $moment" >&2; exit 1; }
    cp -R "$BACKUPS/base/$chosen" "$directory"
    chmod 700 "$directory"
    # The last piece of the log is not complete yet, and is called .partial.
    cat >> "$directory/postgresql.auto.conf" <<CONF
restore_command = 'cp "$BACKUPS/wal/%f" "%p" || cp "$BACKUPS/wal/%f.partial" "%p"'
recovery_target_time = '$moment'
recovery_target_action = 'promote'
CONF
    touch "$directory/recovery.signal"
    echo "$directory: from $chosen, to be started; it replays the log up to $moment"
}

case "${1:-}" in
wal | base | schedule) "$1" ;;
restore) restore "${2:?the moment}" "${3:?the new data directory}" ;;
*) sed -n '2,12p' "$0" >&2; exit 2 ;;
esac
