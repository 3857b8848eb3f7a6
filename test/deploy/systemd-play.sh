#!/bin/bash
# Played as a service of a machine whose first process is systemd (test/deploy/systemd.test.ts), with the units of deploy/systemd
# at their places. Results go to /results, one file each; a command that fails ends it.
exec >/results/log 2>&1
touch /results/booted
trap 'echo $? >/results/status; journalctl --no-pager >/results/journal; systemctl start --no-block --job-mode=replace-irreversibly poweroff.target' EXIT
set -eux
export HOME=/root PATH=/opt/trisiel/bin:$PATH
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com
cd /root

systemctl daemon-reload
systemctl enable --now trisiel.service trisiel-backup.timer
systemctl is-active trisiel.service trisiel-backup.timer

# The main process is bound as the unit says.
main() { systemctl show --property MainPID --value trisiel; }
grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$(main)/status" >/results/confinement
for folder in /usr /opt/trisiel /etc/trisiel /var/lib /home /root; do
  nsenter --target "$(main)" --mount --setuid "$(stat --format %u "/proc/$(main)")" \
    test -w $folder && echo $folder >>/results/writable
done
nsenter --target "$(main)" --mount --setuid "$(stat --format %u "/proc/$(main)")" test -w /var/lib/trisiel
stat --format %a /var/lib/private/trisiel >/results/state-mode

# A secret of the unit's credentials is used.
test "$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:3002/metrics --header 'Authorization: Bearer wrong')" != 200
curl --fail --silent --output /dev/null http://127.0.0.1:3002/metrics --header "Authorization: Bearer $(cat /etc/trisiel/credentials/metrics-token)"

code=$(journalctl --unit trisiel --output cat | sed -n 's/.*"code":"\([^"]*\)".*/\1/p' | head -n 1)
test -n "$code"
echo 'correct horse battery' | wasmcloud signup ada --server http://127.0.0.1:3002 --invite "$code" --password-stdin
mkdir hello && cd hello
git init --quiet --initial-branch main
cp /root/function.wasm .
git add --all && git commit --quiet --message 'First version'
wasmcloud create hello
git push wasmcloud main
call() { curl --fail --silent --show-error --max-time 60 http://127.0.0.1:3003/hello/; }
call >/results/answer

# Calls, each on a connection of its own, go on while the unit is restarted.
test "$(cat /proc/sys/net/ipv4/tcp_migrate_req)" = 1
callers=
for _ in 1 2 3 4; do
  (set +x; while ! test -e /results/called-enough; do if call >/dev/null; then echo good; else echo lost; fi; done) >>/results/calls &
  callers="$callers $!"
done
for _ in 1 2 3; do
  first=$(main)
  systemctl restart trisiel
  test "$(main)" != "$first"
  call
done
touch /results/called-enough
wait $callers

systemctl start trisiel-backup.service
ls /var/lib/trisiel/backups >/results/backups

# Pages for operators, typed by root: the first one sets the variables of the unit.
. /incidents.sh >/results/looked
mkdir /backups && cp /var/lib/trisiel/backups/trisiel-*.tar /backups/tuesday.trisiel
. /operations.sh
call >/results/restored
systemctl stop trisiel
trisiel doctor --repair >/results/repaired
find /var/lib/private/trisiel -user root >/results/of-root
systemctl start trisiel

# Restart=always, and the watchdog: systemd starts it again.
restarted() { # COUNT
  set +x
  local last=$((SECONDS + 300))
  until test "$(systemctl show --property NRestarts --value trisiel)" -ge "$1" && systemctl --quiet is-active trisiel; do
    test $SECONDS -lt $last
    sleep 0.2
  done
  set -x
}
systemctl reset-failed trisiel
before=$(systemctl show --property NRestarts --value trisiel)
kill -KILL "$(main)"
restarted $((before + 1))
call
kill -STOP "$(main)"
restarted $((before + 2))
journalctl --unit trisiel --output cat | grep --max-count 1 'Watchdog timeout' >/results/watchdog
call

systemctl stop trisiel
systemctl show --property Result --value trisiel >/results/stopped
