#!/bin/sh
# Backups of one PostgreSQL server with its own tools, from which it can be restored to any moment.
#
#   backup.sh wal               stream the write-ahead log into BACKUPS/wal; runs for ever, and continues after a restart
#   backup.sh base              take a base backup, verify it, and delete the oldest ones
#   backup.sh schedule          the two above: a base backup as soon as the last one is BACKUP_EVERY seconds old
#   backup.sh restore MOMENT DIRECTORY
#                               make DIRECTORY a data directory that replays the log up to MOMENT and is then writable;
#                               MOMENT is in UTC, such as 2026-11-29T13:59:00Z, or `latest` for the end of the log
#
# BACKUPS: the directory, on another disk than the data. The server is named by PGHOST, PGPORT, PGUSER and PGPASSWORD or
# PGPASSFILE, of a role with REPLICATION. BACKUPS_KEPT: how many base backups stay. BACKUPS/backup.prom has the time of the
# last one, for the textfile collector of node_exporter.
set -eu
umask 077
: "${BACKUPS:?set it to the directory of the backups}"
METRICS=$BACKUPS/backup.prom

wal() {
    create_slot
    stream
}

create_slot() {
    # The slot makes the server keep what was not streamed yet, also while this script is down: watch the server's disk.
    pg_receivewal --no-password --slot="${BACKUP_SLOT:-backup}" --create-slot --if-not-exists
}

stream() {
    mkdir -p "$BACKUPS/wal"
    exec pg_receivewal --no-password --slot="${BACKUP_SLOT:-backup}" --directory="$BACKUPS/wal" --status-interval=2
}

base() {
    mkdir -p "$BACKUPS/base"
    rm -rf "$BACKUPS"/base/*.unverified
    new=$BACKUPS/base/new.unverified
    pg_basebackup --no-password --pgdata="$new" --checkpoint=fast --wal-method=stream
    # No moment before its end can be restored from it, so its name is the end, rounded up to a second.
    ended=$(($(date +%s) + 1))
    name=$(date -u -d "@$ended" +%Y%m%dT%H%M%SZ)
    pg_verifybackup --quiet "$new"
    rm -rf "$BACKUPS/base/$name"
    mv "$new" "$BACKUPS/base/$name"
    echo "backup_completed_timestamp_seconds $ended" > "$METRICS.new"
    chmod 644 "$METRICS.new"
    mv "$METRICS.new" "$METRICS"
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
    create_slot  # before the first base backup, so that no log is missing after it
    stream & streaming=$!
    trap 'kill $streaming 2>/dev/null; wait $streaming || true' EXIT
    trap 'exit 0' TERM INT
    # If streaming ends, this ends too, so that whatever runs it starts both again.
    while kill -0 $streaming 2>/dev/null; do
        last=$(sed -n 's/^backup_completed_timestamp_seconds //p' "$METRICS" 2>/dev/null || true)
        test "$(date +%s)" -lt $((${last:-0} + ${BACKUP_EVERY:-86400})) || base
        sleep 5 & wait $!  # a signal is handled while the shell waits, but not while it runs a command
    done
    echo "the write-ahead log is not streamed any more" >&2
    exit 1
}

restore() {
    moment=$1 directory=$2 newest=99991231T235959Z
    if [ "$moment" != latest ]; then
        newest=$(echo "$moment" | sed -nE 's/^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?Z$/\1\2\3T\4\5\6Z/p')
        test -n "$newest" || { echo "$moment: write the moment in UTC, such as 2026-11-29T13:59:00Z" >&2; exit 2; }
    fi
    test ! -e "$directory" || { echo "$directory exists: name a new data directory" >&2; exit 2; }
    chosen=$(ls "$BACKUPS/base" | grep -v unverified | sort | awk -v newest="$newest" '$0 <= newest' | tail -n 1)
    test -n "$chosen" || { echo "no base backup was complete at $moment; there are:" $(ls "$BACKUPS/base") >&2; exit 1; }
    cp -R "$BACKUPS/base/$chosen" "$directory"
    chmod 700 "$directory"
    # Again, since what was written to a disk months ago is not always what is read from it.
    pg_verifybackup --quiet "$directory" || { rm -rf "$directory"; echo "$chosen is damaged: restore from an older one" >&2; exit 1; }
    # The last piece of the log is not complete yet, and is called .partial.
    cat >> "$directory/postgresql.auto.conf" <<CONF
restore_command = 'cp "$BACKUPS/wal/%f" "%p" || cp "$BACKUPS/wal/%f.partial" "%p"'
CONF
    # With a numeric offset, since this setting knows no names of time zones.
    test "$moment" = latest || cat >> "$directory/postgresql.auto.conf" <<CONF
recovery_target_time = '${moment%Z}+00'
recovery_target_action = 'promote'
CONF
    touch "$directory/recovery.signal"
    echo "$directory: from $chosen, to be started; it replays the log up to $moment"
}

case "${1:-}" in
wal | base | schedule) "$1" ;;
restore) restore "${2:?the moment}" "${3:?the new data directory}" ;;
*) sed -n '2,14p' "$0" >&2; exit 2 ;;
esac
