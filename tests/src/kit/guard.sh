# Stops every server below the folder $1 and deletes the folder, as soon as
# standard input ends. Only the test process holds the other end, so that is
# when it lets go, panics, or is killed by any means.
trap '' HUP INT TERM
folder=$1
case "$folder" in */orm-split-kit-*) ;; *) exit 1 ;; esac
while read -r _; do :; done

# a process belongs to us when it works inside the folder
members() {
    ls -l /proc/[0-9]*/cwd 2>/dev/null |
        sed -n "s#^.* /proc/\([0-9]*\)/cwd -> $folder\(/.*\)*\$#\1#p"
}
# field $1 of each postmaster.pid: 1 is the process, 7 the shared memory segment
lines() {
    for file in "$folder"/*/postmaster.pid; do
        [ -f "$file" ] && sed -n "$1p" "$file"
    done
}

segments=$(lines 7 | awk '{ print $2 }')
postmasters=" $(lines 1 | tr '\n' ' ') "
for pid in $(members); do
    # only live members: a stale file may name somebody else's process
    case "$postmasters" in *" $pid "*) kill -QUIT "$pid" ;; esac
    # frozen ones act on nothing before this
    kill -CONT "$pid"
done 2>/dev/null
tries=0
while [ -n "$(members)" ] && [ $tries -lt 100 ]; do
    sleep 0.02
    tries=$((tries + 1))
done
# whoever is left: orphans, initdb, a server caught while starting
tries=0
while pids=$(members) && [ -n "$pids" ] && [ $tries -lt 100 ]; do
    kill -KILL $pids 2>/dev/null
    sleep 0.02
    tries=$((tries + 1))
done
# killed servers leave their segment behind
for segment in $segments; do ipcrm -m "$segment"; done 2>/dev/null
rm -rf "$folder"
