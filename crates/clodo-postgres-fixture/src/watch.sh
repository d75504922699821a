# Owns one PostgreSQL server: starts and stops it as it is told line by line, and ends it and
# removes its folder when nobody is left who could tell it anything.
# $1: the folder of the programs, $2: the folder of the server, which is there.
programs=$1
folder=$2
cd / || exit 1
# Also when nobody is left to hear the answer.
trap '' HUP INT TERM PIPE

stop() {
    "$programs/pg_ctl" stop -D "$folder/data" -m "$1" -w >/dev/null 2>&1
}

while read -r word argument name; do
    case $word in
        create)
            "$programs/initdb" -D "$folder/data" -U clodo -A scram-sha-256 \
                --pwfile="$folder/password" -E UTF8 --locale=C --no-sync \
                >"$folder/initdb.log" 2>&1
            ;;
        start)
            tls=
            if [ -e "$folder/server.key" ]; then
                tls="-c ssl=on -c ssl_cert_file=$folder/server.crt -c ssl_key_file=$folder/server.key"
                sed -i 's/^host /hostssl /' "$folder/data/pg_hba.conf"
            fi
            "$programs/pg_ctl" start -D "$folder/data" -l "$folder/server.log" -w -t 60 -o \
                "-c listen_addresses=127.0.0.1 -c port=$argument -c unix_socket_directories= -c fsync=off -c max_connections=100 -c shared_buffers=16MB -c log_min_messages=warning $tls" \
                >/dev/null 2>&1
            ;;
        database)
            PGPASSWORD=$(cat "$folder/password") "$programs/createdb" -h 127.0.0.1 \
                -p "$argument" -U clodo "$name" >/dev/null 2>&1
            ;;
        stop) stop "$argument" ;;
        *) false ;;
    esac
    if [ $? -eq 0 ]; then echo done; else echo failed; fi
done
stop immediate
rm -rf "$folder"
