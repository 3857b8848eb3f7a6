# Played on control-1 of the machines of test/deploy/cluster-services.test.ts, with the commands of docs/cluster.md in the files
# NAME.sh of /commands. Results go to /shared, one file each; a command that fails ends it.
cd /root
commands() { cat "/commands/$1.sh"; }
within() { # COMMAND: until it succeeds
  { set +x; } 2>/dev/null
  local last=$((SECONDS + 300))
  until eval "$1" >/dev/null 2>&1; do
    test $SECONDS -lt $last || { echo "in vain: $1"; return 1; }
    sleep 0.2
  done
  set -x
}
count=100
on() { # MACHINE COMMANDS
  count=$((count + 1))
  printf '%s\n' "$2" >"/shared/$1/$count.part"
  mv "/shared/$1/$count.part" "/shared/$1/$count.sh"
  within "test -e /shared/$1/$count.status"
  test "$(cat "/shared/$1/$count.status")" = 0
}
call() { curl --fail --silent --show-error --max-time 60 --write-out '\n' "http://$1:3003/$2/"; }
version() { # FUNCTION VERSION: a commit of it is pushed
  cp "/root/v$2.wasm" "/root/$1/function.wasm"
  (cd "/root/$1" && git add --all && git commit --quiet --message "Version $2" && git push wasmcloud main 2>"/shared/pushed-$1-$2")
}
for machine in db node-1 node-2; do within "test -e /shared/$machine/booted"; done

on db '. /prepare.sh'
on db "$(commands db)"
(eval "$(commands controls)")
code=$(journalctl --unit trisiel --output cat | sed -n 's/.*"code":"\([^"]*\)".*/\1/p' | head -n 1)
test -n "$code"
echo 'correct horse battery' | wasmcloud signup ada --server http://control-1:3002 --invite "$code" --password-stdin
for number in 1 2; do
  added=$(eval "$(commands add | sed "s/eu-1/eu-$number/")")
  join=$(sed -n "s/.*TRISIEL_JOIN='\([^']*\)'.*/\1/p" <<<"$added")
  on "node-$number" "$(commands node | sed "s|'[^']*#tn_…'|'$join'|")"
done

for name in hello placed cut; do git init --quiet --initial-branch main $name; (cd $name && wasmcloud create $name); done
printf '[placement]\nreplicas = 1\n' >placed/wasmcloud.toml
version hello 1
version placed 1
version cut 1
for node in node-1 node-2; do call $node hello; done >/shared/answers

# NATS and what speaks to it are moved to TLS. Calls go on.
(set +x; while ! test -e /shared/called-enough; do if call node-1 hello >/dev/null; then echo good; else echo lost; fi; done) >/shared/calls &
caller=$!
on db "$(commands authority)"
on db 'cp /etc/trisiel/credentials/authority.pem /shared'
for machine in node-1 node-2; do on $machine "cp /shared/authority.pem /etc/trisiel && $(commands trusting-nodes)"; done
cp /shared/authority.pem /etc/trisiel
(eval "$(commands trusting-controls)")
on db "cat /tls.conf >>/etc/trisiel/credentials/nats.conf && $(commands nats-tls)"
systemctl restart trisiel
for node in node-1 node-2; do on $node 'systemctl restart trisiel-node'; done
head -n 1 </dev/tcp/db/4222 >/shared/nats-info
version hello 2
for node in node-1 node-2; do call $node hello; done >>/shared/answers

# Calls go on while each service is restarted.
on db 'systemctl restart trisiel-nats'
systemctl restart trisiel
on node-1 'systemctl restart trisiel-node'
call node-1 hello
touch /shared/called-enough
wait $caller
systemctl start trisiel-backup.service
ls /var/lib/trisiel/backups >/shared/backups

# The cable of node-2 is drawn: nobody is told that its connections are gone.
on node-2 'ip link set host0 down'
version hello 3
grep 'live on 1 of' /shared/pushed-hello-3
call node-1 hello >>/shared/answers
on node-2 'until curl --silent --include http://127.0.0.1:3003/cut/ | tee /shared/cut | grep -i "^trisiel-stale"; do sleep 0.2; done'
on node-2 'ip link set host0 up'
within 'call node-2 hello | grep "version 3"'
version hello 1
call node-2 hello >>/shared/answers
within 'wasmcloud logs cut | grep version'
wasmcloud logs cut >/shared/lines

# The machine that holds a placed function loses its power.
holder=node-1 other=node-2
if ! call node-1 placed; then holder=node-2 other=node-1; fi
call $holder placed >/shared/placed
curl --silent --output /dev/null --write-out '%{http_code}\n' "http://$other:3003/placed/" >>/shared/placed
printf '%s\n' 'ip link set host0 down' 'systemctl poweroff --force --force' >"/shared/$holder/999.sh"
within "call $other placed"
call $other placed >>/shared/placed
call $other hello >>/shared/placed

# A node that is drained stays away, and is no mistake.
wasmcloud nodes drain "eu-${other#node-}"
on $other 'while systemctl --quiet is-active trisiel-node; do sleep 0.2; done; systemctl show --property Result --value trisiel-node >/shared/drained'
on $other 'systemctl start trisiel-node'
call $other hello
on $other 'systemctl stop trisiel-node && systemctl kill trisiel-node || true'
systemctl stop trisiel
on db 'systemctl stop trisiel-nats postgresql'
