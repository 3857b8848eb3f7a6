#!/bin/bash
# Played as a service of each machine of a cluster (test/deploy/cluster-services.test.ts): joins the network, then does what
# cluster-play.sh asks for in /shared/NAME, one script after the other, as over ssh.
. /machine.env
mkdir -p "/shared/$NAME"
exec >"/shared/$NAME/log" 2>&1
export HOME=/root PATH=/opt/trisiel/bin:$(echo /usr/lib/postgresql/*/bin | tr ' ' '\n' | tail -n 1):$PATH
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com
ip link set lo up
ip address add "$ADDRESS/24" dev host0
ip link set host0 up
touch "/shared/$NAME/booted"
if test "$NAME" = control-1; then
  bash -eux /play.sh
  echo $? >/shared/status
fi
until test -e /shared/status; do
  next=$(ls "/shared/$NAME"/*.sh 2>/dev/null | head -n 1)
  if test -z "$next"; then
    sleep 0.1
    continue
  fi
  mv "$next" /next.sh
  (cd /root && bash -eux /next.sh)
  echo $? >"$next.part"
  mv "$next.part" "${next%.sh}.status"
done
journalctl --no-pager >"/shared/$NAME/journal"
systemctl start --no-block --job-mode=replace-irreversibly poweroff.target
