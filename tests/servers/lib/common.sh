# What up, down and ctl share: paths, names, ports, secrets, certificates, and files of a server's user.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the other files use the variables
# Sourced, never run. SERVERS_DIR (the folder of up, down and ctl) is set by the script that sources it.

set -euo pipefail
umask 022

CLONE=$(cd "$SERVERS_DIR/../.." && pwd -P)
# cargo takes a relative CARGO_TARGET_DIR from where it is run, which for tests is the clone's root.
TARGET_DIR=${CARGO_TARGET_DIR:-target}
[[ $TARGET_DIR == /* ]] || TARGET_DIR=$CLONE/$TARGET_DIR
STATE=$TARGET_DIR/servers
SECRETS=$STATE/secrets
PIDS=$STATE/pids
CA=$STATE/ca.pem
# The servers' own data is never in the clone: their users could not enter one under /root.
DATA=
# A target folder that was copied from another clone describes that clone's servers: they are not ours to touch.
FOREIGN=
if [[ -f $STATE/data-dir ]]; then
  if [[ -f $STATE/home && $(<"$STATE/home") == "$STATE" ]]; then DATA=$(<"$STATE/data-dir"); else FOREIGN=yes; fi
fi

if [[ -n ${WATCHWARD_SERVERS_CACHE:-} ]]; then
  CACHE=$WATCHWARD_SERVERS_CACHE
elif [[ $EUID -eq 0 || -w /var/cache/watchward-servers || -f /var/cache/watchward-servers/complete ]]; then
  CACHE=/var/cache/watchward-servers # what root once filled serves every user
else
  CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/watchward-servers
fi

SERVERS=(postgresql-primary postgresql-standby redis-primary redis-replica redis-sentinel-1 redis-sentinel-2
  redis-sentinel-3 mongodb-1 mongodb-2 mongodb-3 clickhouse elasticsearch elasticsearch-proxy opensearch
  opensearch-proxy prometheus alertmanager)

java_at_least() { # VERSION: the oldest Java of the machine that is at least this one, by what it says of itself
  local file version found=''
  for file in /usr/lib/jvm/*/release; do
    [[ -x ${file%/release}/bin/java ]] || continue
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$file")
    [[ -n $version ]] && ((version >= $1)) || continue
    if [[ -z $found ]] || ((version < ${found%% *})); then found="$version ${file%/release}/bin/java"; fi
  done
  [[ -n $found ]] && echo "${found#* }"
}

# OpenSearch 3 wants a Java that Debian 12 does not have: where there is none, that server is left out, and up says so.
if java_at_least 21 >/dev/null; then SERVERS+=(opensearch-3 opensearch-3-proxy); fi

# A second clone on the same machine can run its own set: all ports move by this number.
PORT_SHIFT=${WATCHWARD_SERVERS_PORT_SHIFT:-0}
[[ -n $FOREIGN || ! -f $STATE/port-shift ]] || PORT_SHIFT=$(<"$STATE/port-shift")

say() { printf 'servers: %s\n' "$*"; }
die() {
  printf 'servers: error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# ---- what is known of each server -------------------------------------------------------------------------------

port_of() { # NAME: the port that clients use
  local base
  case $1 in
    postgresql-primary) base=15432 ;;
    postgresql-standby) base=15433 ;;
    redis-primary) base=16379 ;;
    redis-replica) base=16380 ;;
    redis-sentinel-[123]) base=$((26478 + ${1##*-})) ;;
    mongodb-[123]) base=$((27116 + ${1##*-})) ;;
    clickhouse) base=18123 ;;
    clickhouse-tcp) base=19000 ;;
    elasticsearch) base=19200 ;;
    opensearch) base=19201 ;;
    elasticsearch-transport) base=19300 ;;
    opensearch-transport) base=19301 ;;
    opensearch-3) base=19202 ;;
    opensearch-3-transport) base=19302 ;;
    opensearch-3-proxy) base=19245 ;;
    elasticsearch-proxy) base=19243 ;;
    opensearch-proxy) base=19244 ;;
    prometheus) base=19090 ;;
    alertmanager) base=19093 ;;
    agent) base=9468 ;;
    hook) base=19999 ;;
    alertmanager-hook) base=19998 ;;
    *) die "no port known for '$1'" ;;
  esac
  echo $((base + PORT_SHIFT))
}

ports_of() { # NAME: every port that this server listens on
  port_of "$1"
  case $1 in
    clickhouse) port_of clickhouse-tcp ;;
    elasticsearch | opensearch | opensearch-3) port_of "$1-transport" ;;
  esac
}

engine_of() { # NAME: the file in lib/ that knows how to start it
  case $1 in
    postgresql-*) echo postgresql ;;
    redis-*) echo redis ;;
    mongodb-*) echo mongodb ;;
    clickhouse) echo clickhouse ;;
    elasticsearch* | opensearch*) echo elasticsearch ;;
    prometheus | alertmanager) echo prometheus ;;
    *) die "no server is called '$1'" "names: ${SERVERS[*]}" ;;
  esac
}

user_of() { # NAME: who it runs as. Server programs refuse root; a package without a user of its own gets nobody.
  if [[ $EUID -ne 0 ]]; then
    id -un
    return
  fi
  case $1 in
    postgresql-*) echo postgres ;;
    redis-*) echo redis ;;
    clickhouse) echo clickhouse ;;
    prometheus | alertmanager) echo prometheus ;;
    *) echo nobody ;;
  esac
}

env_prefix() { # NAME: postgresql-primary is WW_PG_PRIMARY in the env file
  local word=${1^^}
  word=${word//-/_}
  echo "WW_${word/#POSTGRESQL/PG}"
}

# ---- secrets and certificates -----------------------------------------------------------------------------------

make_secret() { # NAME: random, without a newline at the end, since not every reader strips one
  (umask 077 && openssl rand -hex 16 | tr -d '\n' >"$SECRETS/$1")
}
secret() { cat "$SECRETS/$1"; }
sha256_of() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

make_certificates() { # one test CA and one certificate for localhost, as strict clients (rustls) want them
  local dir=$SECRETS
  cat >"$dir/openssl.cnf" <<'CNF'
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = DNS:localhost,IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
  (
    umask 077
    cd "$dir"
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl ecparam -name prime256v1 -genkey -noout -out server.ec
    # PKCS#8, because that is the one form that every TLS library reads.
    openssl pkcs8 -topk8 -nocrypt -in server.ec -out server.key
    rm server.ec
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=Watchward test CA" \
      -config openssl.cnf -extensions ca -out ca.pem
    openssl req -new -key server.key -subj "/CN=localhost" -config openssl.cnf -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -sha256 \
      -extfile openssl.cnf -extensions server -out server.pem
  ) 2>"$STATE/openssl.log" || die "openssl could not make the certificates" "$(tail -n 5 "$STATE/openssl.log")"
  rm -f "$STATE/openssl.log" "$dir/server.csr" "$dir/ca.srl" "$dir/openssl.cnf"
  install -m 0644 "$dir/ca.pem" "$CA"
  rm "$dir/ca.pem"
}

give_certificates() { # NAME: the server's own readable copies, in its folder
  local dir=$DATA/$1
  give "$1" 0644 "$CA" "$dir/ca.pem"
  give "$1" 0644 "$SECRETS/server.pem" "$dir/server.pem"
  give "$1" 0600 "$SECRETS/server.key" "$dir/server.key"
}

# ---- files of a server's user -----------------------------------------------------------------------------------

give() { # NAME MODE FROM TO: copy a file to the user of a server
  local user
  user=$(user_of "$1")
  install -m "$2" -o "$user" -g "$(id -gn "$user")" "$3" "$4"
}

write_for() { # NAME MODE FILE: standard input becomes a file of the server's user
  local temp
  temp=$(mktemp "$DATA/.new.XXXXXX")
  cat >"$temp"
  give "$1" "$2" "$temp" "$3"
  rm -f "$temp"
}

make_dir() { # NAME DIR [MODE]: a folder of the server's user
  local user
  user=$(user_of "$1")
  install -d -m "${3:-0700}" -o "$user" -g "$(id -gn "$user")" "$2"
}
