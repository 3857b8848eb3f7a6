#!/bin/bash
# Played as a service of a machine whose first process is systemd (test/deploy/cluster-services.test.ts), which stands for all
# machines of a cluster. Results go to /results, one file each; a command that fails ends it.
exec >/results/log 2>&1
touch /results/booted
trap 'echo $? >/results/status; journalctl --no-pager >/results/journal; systemctl start --no-block --job-mode=replace-irreversibly poweroff.target' EXIT
set -eux
export HOME=/root PATH=/opt/trisiel/bin:$PATH
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com
cd /root

# What installing PostgreSQL does.
programs=$(echo /usr/lib/postgresql/*/bin | tr ' ' '\n' | tail -n 1)
install --directory --owner=postgres --group=postgres /var/lib/postgresql /run/postgresql
runuser -u postgres -- "$programs/initdb" --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --no-sync /var/lib/postgresql/data >/dev/null
runuser -u postgres -- "$programs/pg_ctl" --pgdata=/var/lib/postgresql/data --options='-k /run/postgresql' --log=/var/lib/postgresql/log --wait start
export PATH=$programs:$PATH

. /commands.sh

systemctl is-active trisiel-nats trisiel trisiel-node
cd /root && mkdir hello && cd hello
git init --quiet --initial-branch main
cp /root/function.wasm .
git add --all && git commit --quiet --message 'First version'
wasmcloud create hello
git push wasmcloud main 2>/results/pushed
call() { curl --fail --silent --show-error --max-time 60 http://node-1:3003/hello/; }
call >/results/answer
wasmcloud nodes >/results/nodes

# Calls go on while each service is restarted.
(set +x; while ! test -e /results/called-enough; do if call >/dev/null; then echo good; else echo lost; fi; done) >/results/calls &
caller=$!
systemctl restart trisiel-nats
systemctl restart trisiel
systemctl restart trisiel-node
call
touch /results/called-enough
wait $caller

systemctl start trisiel-backup.service
ls /var/lib/trisiel/backups >/results/backups

# A node that is drained stays away, and is no mistake.
wasmcloud nodes drain eu-1
set +x; last=$((SECONDS + 300)); while systemctl --quiet is-active trisiel-node; do test $SECONDS -lt $last; sleep 0.2; done; set -x
systemctl show --property Result --value trisiel-node >/results/drained
systemctl start trisiel-node
call
systemctl stop trisiel-node && systemctl kill trisiel-node || true
systemctl stop trisiel trisiel-nats
