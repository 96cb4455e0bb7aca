# Processes of the servers: started detached, known by pid, start time and boot, and ended without leaving anything.
# shellcheck shell=bash
# Sourced after common.sh, never run.

log_of() { echo "$DATA/logs/$1.log"; }

drop_to() { # USER: sets DROP, the words that run a command without root's rights (none when we are not root)
  DROP=()
  if [[ $EUID -eq 0 ]]; then
    DROP=(setpriv "--reuid=$1" "--regid=$(id -gn "$1")" --clear-groups)
  fi
}

as_user() { # USER [KEY=VALUE…] COMMAND…: without our environment, which may hold what a server should not see
  local DROP
  drop_to "$1"
  shift
  "${DROP[@]}" env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$DATA" TZ=UTC "$@"
}

spawn() { # NAME [KEY=VALUE…] COMMAND…: a server, on its own, its pid recorded
  local name=$1 start pid
  shift
  (
    cd "$DATA/$name" || exit
    ulimit -n "$(ulimit -H -n)" 2>/dev/null || true
    ulimit -c 0
    drop_to "$(user_of "$name")"
    # 8 and 9 are locks: a server that held them would lock everybody out. setsid: neither Ctrl-C in up nor the end
    # of a test run may take a server along. The mark is how down finds what an interrupted up did not record.
    exec </dev/null >>"$(log_of "$name")" 2>&1 8>&- 9>&-
    exec setsid "${DROP[@]}" env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$DATA/$name" TZ=UTC \
      "WATCHWARD_SERVERS_MARK=$DATA" "$@"
  ) &
  pid=$!
  # A pid alone is somebody else's after a while; with start time and boot it is this process and no other.
  start=$(start_of "$pid") || start=gone
  printf '%s %s\n' "$start" "$(</proc/sys/kernel/random/boot_id)" >"$PIDS/$name.start"
  printf '%s\n' "$pid" >"$PIDS/.$name"
  mv "$PIDS/.$name" "$PIDS/$name"
}

stat_of() { # PID: its state and start time; fails if there is no such process
  local line
  { line=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  line=${line##*) } # the command's name may hold spaces and brackets
  # shellcheck disable=SC2086
  set -- $line
  echo "$1 ${20}"
}

start_of() {
  local seen
  seen=$(stat_of "$1") || return 1
  echo "${seen#* }"
}

same() { # PID START: that very process still runs (a zombie does not)
  local seen
  seen=$(stat_of "$1") || return 1
  [[ ${seen#* } == "$2" && ${seen% *} != Z ]]
}

pid_of() { # NAME: its pid, if it runs
  local pid start boot
  [[ -f $PIDS/$1 && -f $PIDS/$1.start ]] || return 1
  pid=$(<"$PIDS/$1")
  read -r start boot <"$PIDS/$1.start"
  [[ $boot == "$(</proc/sys/kernel/random/boot_id)" ]] || return 1
  same "$pid" "$start" || return 1
  echo "$pid"
}

alive() { pid_of "$1" >/dev/null; }

tree_of() { # PID: it and all below it, as pid:start words. PostgreSQL's children have sessions of their own.
  local pid start
  ps -e -o pid=,ppid= | awk -v root="$1" '
    { parent[$1] = $2 }
    END { for (p in parent) { q = p; while (q != root && q in parent) q = parent[q]; if (q == root) print p } }
  ' | while read -r pid; do
    if start=$(start_of "$pid"); then echo "$pid:$start"; fi
  done
}

any_paused() { # NAME: the server or a part of it is stopped by SIGSTOP
  local pid word seen
  pid=$(pid_of "$1") || return 1
  for word in $(tree_of "$pid"); do
    if seen=$(stat_of "${word%:*}") && [[ ${seen% *} == T ]]; then return 0; fi
  done
  return 1
}

living() { # PID:START…: those that still run
  local word
  for word in "$@"; do
    if same "${word%:*}" "${word#*:}"; then echo "$word"; fi
  done
}

signal() { # SIGNAL PID:START…
  local word
  for word in $(living "${@:2}"); do kill "-$1" "${word%:*}" 2>/dev/null || true; done
}

gone_within() { # SECONDS PID:START…
  local end=$((SECONDS + $1))
  shift
  while [[ -n $(living "$@") ]]; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

pause_server() { # parent first, or it would see its children stop; then once more for those born meanwhile
  local pid
  pid=$(pid_of "$1") || die "$1 is not running"
  # shellcheck disable=SC2046
  signal STOP "$pid:$(start_of "$pid")" $(tree_of "$pid")
  # shellcheck disable=SC2046
  signal STOP $(tree_of "$pid")
}

resume_server() {
  local pid
  pid=$(pid_of "$1") || die "$1 is not running"
  # shellcheck disable=SC2046
  signal CONT $(tree_of "$pid")
}

stop_server() { # NAME [quick|kill]: asks, insists, kills; nothing of it runs afterwards
  local name=$1 how=${2:-} pid main tree
  pid=$(pid_of "$name") || return 0
  main=$pid:$(start_of "$pid") || return 0
  mapfile -t tree < <(tree_of "$pid")
  if [[ $how != kill ]]; then
    signal CONT "${tree[@]}"
    case $name/$how in
      # PostgreSQL: INT is "fast" (TERM would wait for clients), QUIT is "at once" and still frees its shared memory.
      postgresql-*/quick) signal QUIT "$main" ;;
      postgresql-*) signal INT "$main" && { gone_within 15 "$main" || signal QUIT "$main"; } ;;
      *) signal TERM "$main" ;;
    esac
    gone_within $((${#how} ? 5 : 15)) "$main" || true
    # A child that has lost its parent ends by itself; give it the moment that takes.
    gone_within 2 "${tree[@]}" || true
  fi
  signal KILL "$main" "${tree[@]}"
  gone_within 10 "${tree[@]}" || die "$name does not end, not even by SIGKILL (pid $pid)"
  rm -f "$PIDS/$name" "$PIDS/$name.start"
}

marked() { # what still carries our mark, recorded or not: only root and the owner can see it
  local dir pid
  [[ -n $DATA ]] || return 0
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    if tr '\0' '\n' 2>/dev/null <"$dir/environ" | grep -qxF "WATCHWARD_SERVERS_MARK=$DATA"; then
      tree_of "$pid"
    fi
  done 2>/dev/null
  # PostgreSQL writes its title over its environment; its own pid file stands in for the mark.
  for dir in "$DATA"/postgresql-*/data; do
    if [[ -f $dir/postmaster.pid ]]; then
      pid=$(head -n 1 "$dir/postmaster.pid")
      if [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$dir" ]]; then tree_of "$pid"; fi
    fi
  done
}

start_server() { # NAME: as its engine's file says
  "$(engine_of "$1")_launch" "$1"
}

wait_ready() { # NAME SECONDS: until it answers; else the reason, with the end of its log
  local name=$1 end=$((SECONDS + $2))
  until "$(engine_of "$name")_ready" "$name" >/dev/null 2>&1; do
    alive "$name" || fail_with_log "$name" "$name ended while it was starting"
    ((SECONDS < end)) || fail_with_log "$name" "$name does not answer on port $(port_of "$name") after $2 s"
    sleep 0.1
  done
}

fail_with_log() { # NAME MESSAGE
  local lines=()
  [[ ! -f $(log_of "$1") ]] || mapfile -t lines < <(tail -n 25 "$(log_of "$1")")
  die "$2" "last lines of $(log_of "$1"):" "${lines[@]}"
}

check_port() { # NAME: nobody else may have one of its ports
  local port who
  for port in $(ports_of "$1"); do
    who=$(ss -Hltnp "sport = :$port" 2>/dev/null) || true
    [[ -z $who ]] || die "port $port, which $1 needs, is taken by another process" "$who" \
      "stop it (another clone's servers: run its tests/servers/down), or move all ports:" \
      "WATCHWARD_SERVERS_PORT_SHIFT=1000 tests/servers/up"
  done
}
