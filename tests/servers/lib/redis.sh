# Redis 7.0: a primary, a replica and three Sentinels, with ACL users; nobody may do anything without a name.
# shellcheck shell=bash
# Sourced after process.sh, never run.

acl() { # USER SECRET RULES: one line of an ACL file; only the hash of the password is in it
  echo "user $1 on resetchannels -@all #$(sha256_of "$(secret "$2")") $3"
}

rules() { # USER, FILE of grants/: what `watchward grants` gives a user, without its password, optional rows and all
  sed -n "s/^ACL SETUSER $1 reset //p; s/^# For the optional row .*: ACL SETUSER $1 //p" "$SERVERS_DIR/grants/$2" |
    tr '\n' ' '
}

redis_setup() {
  local name dir port
  for name in redis-primary redis-replica; do
    dir=$DATA/$name port=$(port_of "$name")
    make_dir "$name" "$dir" 0750
    {
      echo "user default off"
      acl admin redis-admin "~* &* +@all"
      acl watchward redis-monitor "$(rules watchward redis-7.0.acl)"
      acl watchward_act redis-action "$(rules watchward_act redis-7.0-action.acl)"
      acl replica redis-replication "+psync +replconf +ping"
      acl sentinel redis-sentinel "allchannels +multi +slaveof +replicaof +ping +exec +subscribe +config|rewrite +role \
+publish +info +client|setname +client|kill +script|kill"
    } | write_for "$name" 0600 "$dir/users.acl"
    {
      cat <<CONF
bind 127.0.0.1
port $port
dir $dir
aclfile $dir/users.acl
masteruser replica
masterauth $(secret redis-replication)
appendonly yes
save 900 1 300 100
maxmemory 256mb
maxmemory-policy noeviction
latency-monitor-threshold 50
slowlog-log-slower-than 10000
repl-diskless-sync yes
repl-diskless-sync-delay 0
min-replicas-to-write 0
CONF
      # Sentinel rewrites this line when it fails over; a restart must find its last word, so it is written once only.
      [[ $name == redis-primary ]] || echo "replicaof 127.0.0.1 $(port_of redis-primary)"
    } | write_for "$name" 0600 "$dir/redis.conf"
  done
  for name in redis-sentinel-1 redis-sentinel-2 redis-sentinel-3; do
    dir=$DATA/$name port=$(port_of "$name")
    make_dir "$name" "$dir" 0750
    {
      echo "user default off"
      acl admin redis-admin "~* &* +@all"
      acl watchward redis-monitor "$(rules watchward redis-7.0-sentinel.acl)"
      acl peer redis-sentinel "allchannels +auth +client|getname +client|id +client|setname +command +hello +ping +role \
+publish +subscribe +sentinel|get-master-addr-by-name +sentinel|is-master-down-by-addr +sentinel|myid +sentinel|replicas \
+sentinel|sentinels"
    } | write_for "$name" 0600 "$dir/users.acl"
    write_for "$name" 0600 "$dir/sentinel.conf" <<CONF
bind 127.0.0.1
port $port
dir $dir
aclfile $dir/users.acl
sentinel sentinel-user peer
sentinel sentinel-pass $(secret redis-sentinel)
sentinel monitor cache 127.0.0.1 $(port_of redis-primary) 2
sentinel auth-user cache sentinel
sentinel auth-pass cache $(secret redis-sentinel)
sentinel down-after-milliseconds cache 5000
sentinel failover-timeout cache 15000
sentinel parallel-syncs cache 1
CONF
  done
}

redis_launch() {
  case $1 in
    redis-sentinel-*) spawn "$1" redis-server "$DATA/$1/sentinel.conf" --sentinel ;;
    *) spawn "$1" redis-server "$DATA/$1/redis.conf" ;;
  esac
}

redis_ask() { # NAME COMMAND…
  REDISCLI_AUTH=$(secret redis-admin) timeout 3 redis-cli --no-auth-warning -h 127.0.0.1 -p "$(port_of "$1")" \
    --user admin "${@:2}"
}

redis_ready() { [[ $(redis_ask "$1" ping) == PONG ]]; }

redis_formed() { # the replica follows, and every Sentinel knows it and the two others
  local n seen
  for n in 1 2 3; do
    seen=$(redis_ask "redis-sentinel-$n" info sentinel) || return 1
    [[ $seen == *"status=ok"*"slaves=1,sentinels=3"* ]] || return 1
  done
}

redis_up() {
  local name end=$((SECONDS + 90))
  redis_setup
  start_server redis-primary
  start_server redis-replica
  for name in redis-primary redis-replica; do wait_ready "$name" 60; done
  for name in 1 2 3; do redis_ask redis-primary set "cart:$name" "item-$name" >/dev/null; done
  # After the replica has said that it follows: a Sentinel learns of replicas from the primary only every 10 seconds.
  until [[ $(redis_ask redis-replica info replication) == *master_link_status:up* ]]; do
    ((SECONDS < end)) || fail_with_log redis-replica "the Redis replica does not reach its primary"
    sleep 0.1
  done
  for name in redis-sentinel-{1..3}; do start_server "$name"; done
  for name in redis-sentinel-{1..3}; do wait_ready "$name" 60; done
  until redis_formed; do
    ((SECONDS < end)) || fail_with_log redis-sentinel-1 "the Sentinels did not find each other in 90 s"
    sleep 0.3
  done
}
