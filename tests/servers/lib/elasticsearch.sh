# Elasticsearch 7.17, OpenSearch 2.19 and 3.3, one node each, from their published jars; each behind proxy.py.
# shellcheck shell=bash
# Sourced after process.sh, never run.

java_17() {
  local found
  for found in /usr/lib/jvm/java-17-openjdk-*/bin/java; do
    [[ ! -x $found ]] || { echo "$found" && return; }
  done
  return 1
}

elasticsearch_setup() { # elasticsearch|opensearch|opensearch-3: the home that an archive would have brought
  local name=$1 dir=$DATA/$1 from sub version
  version=$(search_version "$1")
  from=$(search_jars "$name")
  make_dir "$name" "$dir" 0755
  for sub in modules modules/transport-netty4 plugins config data logs tmp repo; do make_dir "$name" "$dir/$sub" 0755; done
  # Copies, not links: the security manager grants rights by the jars' real paths under the home.
  cp -r "$from/lib" "$dir/lib"
  cp "$from"/transport-netty4/*.jar "$dir/modules/transport-netty4/"
  # OpenSearch's netty reads the class loader when it ends its threads; refused, a stop would take 30 seconds.
  # Elasticsearch's does not, and refuses to start with a right that it does not know.
  {
    echo 'grant {'
    echo '  permission java.net.SocketPermission "*", "accept,connect";'
    echo '  permission java.lang.RuntimePermission "setContextClassLoader";'
    [[ $name == elasticsearch ]] || echo '  permission java.lang.RuntimePermission "getClassLoader";'
    echo '  permission java.util.PropertyPermission "*", "write";'
    echo '};'
  } | write_for "$name" 0644 "$dir/modules/transport-netty4/plugin-security.policy"
  {
    printf '%s\n' description=transport name=transport-netty4 java.version=1.8 extended.plugins= has.native.controller=false
    case $name in
      elasticsearch) printf '%s\n' elasticsearch.version="$version" classname=org.elasticsearch.transport.Netty4Plugin ;;
      opensearch) printf '%s\n' opensearch.version="$version" classname=org.opensearch.transport.Netty4Plugin ;;
      opensearch-3) printf '%s\n' opensearch.version="$version" classname=org.opensearch.transport.Netty4ModulePlugin ;;
    esac
    echo "version=$version"
  } | write_for "$name" 0644 "$dir/modules/transport-netty4/plugin-descriptor.properties"
  # Free space by absolute marks: the defaults are shares, and on a developer's full disk nothing would be allocated.
  write_for "$name" 0644 "$dir/config/${name%-3}.yml" <<YML
cluster.name: $name-test
node.name: $name-1
network.host: 127.0.0.1
http.port: $(port_of "$name")
transport.port: $(port_of "$name-transport")
discovery.type: single-node
path.data: $dir/data
path.logs: $dir/logs
path.repo: $dir/repo
cluster.routing.allocation.disk.watermark.low: 2gb
cluster.routing.allocation.disk.watermark.high: 1gb
cluster.routing.allocation.disk.watermark.flood_stage: 500mb
YML
  {
    printf '%s\n' 'appender.console.type = Console' 'appender.console.name = console' \
      'appender.console.layout.type = PatternLayout' \
      'appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n' \
      'rootLogger.level = info' 'rootLogger.appenderRef.console.ref = console'
    slow_log "$name" search message,took,took_millis,total_hits,types,stats,search_type,total_shards,source,id
    slow_log "$name" indexing message,took,took_millis,doc_type,id,routing,source
  } | write_for "$name" 0644 "$dir/config/log4j2.properties"
  make_dir "$name-proxy" "$DATA/$name-proxy" 0750
  give_certificates "$name-proxy"
  printf 'watchward:%s\n' "$(secret "$name-monitor")" | write_for "$name-proxy" 0600 "$DATA/$name-proxy/users"
}

slow_log() { # elasticsearch|opensearch search|indexing FIELDS: appenders as the archives' own log4j2.properties have them
  local name=$1 kind=$2 log=index_$2_slowlog layout=ESJsonLayout fields=esmessagefields
  [[ $name == elasticsearch ]] || layout=OpenSearchJsonLayout fields=opensearchmessagefields
  cat <<LOG
appender.$log.type = File
appender.$log.name = $log
appender.$log.fileName = $DATA/$name/logs/$name-test_$log.json
appender.$log.layout.type = $layout
appender.$log.layout.type_name = $log
appender.$log.layout.$fields = $3
appender.${log}_old.type = File
appender.${log}_old.name = ${log}_old
appender.${log}_old.fileName = $DATA/$name/logs/$name-test_$log.log
appender.${log}_old.layout.type = PatternLayout
appender.${log}_old.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name]%marker %m%n
logger.$log.name = index.$kind.slowlog$([[ $kind == search ]] || echo .index)
logger.$log.level = trace
logger.$log.appenderRef.$log.ref = $log
logger.$log.appenderRef.${log}_old.ref = ${log}_old
logger.$log.additivity = false
LOG
}

elasticsearch_launch() {
  local name=$1 dir=$DATA/$1 main prefix java flavour=()
  java=$(java_17)
  case $name in
    *-proxy)
      spawn "$name" PYTHONUNBUFFERED=1 /usr/bin/python3 "$DATA/$name/proxy.py" --listen "127.0.0.1:$(port_of "$name")" \
        --backend "127.0.0.1:$(port_of "${name%-proxy}")" --cert "$dir/server.pem" --key "$dir/server.key" \
        --users "$dir/users"
      return
      ;;
    elasticsearch) main=org.elasticsearch.bootstrap.Elasticsearch prefix=es flavour=(-Des.distribution.flavor=oss -Djava.security.manager=allow) ;;
    opensearch) flavour=(-Djava.security.manager=allow) ;;&
    opensearch-3) java=$(java_at_least 21) flavour=(--enable-native-access=ALL-UNNAMED) ;;&
    opensearch*) main=org.opensearch.bootstrap.OpenSearch prefix=opensearch ;;
  esac
  # The options of the archives' own jvm.options that matter: logging ends after the server, not before it, and netty
  # keeps away from what the security manager forbids. Only the fast compiler: these nodes live for minutes, and the two cores are shared with what is being tested.
  spawn "$name" LIBFFI_TMPDIR="$dir/tmp" "$java" -Xms256m -Xmx512m -XX:+UseG1GC -XX:TieredStopAtLevel=1 \
    -Dlog4j2.disable.jmx=true -Dlog4j.shutdownHookEnabled=false -Dio.netty.noUnsafe=true \
    -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0 \
    -Dio.netty.allocator.numDirectArenas=0 -Djava.io.tmpdir="$dir/tmp" \
    "-D$prefix.path.home=$dir" "-D$prefix.path.conf=$dir/config" "${flavour[@]}" "-D$prefix.distribution.type=tar" \
    -cp "$dir/lib/*" "$main"
}

search_curl() { # NAME PATH [curl's options]: the plain port, where everything is allowed
  curl --noproxy '*' -sS -f -m 10 "http://127.0.0.1:$(port_of "$1")$2" "${@:3}"
}

elasticsearch_ready() {
  case $1 in
    *-proxy)
      # 401 without credentials is the whole proof that is needed: TLS, HTTP and the user list are there.
      [[ $(curl --noproxy '*' -s -m 5 --cacert "$CA" -o /dev/null -w '%{http_code}' "https://localhost:$(port_of "$1")/") == 401 ]]
      ;;
    *) search_curl "$1" /_cluster/health | grep -Eq '"status":"(green|yellow)"' ;;
  esac
}

elasticsearch_up() { # elasticsearch|opensearch|opensearch-3
  elasticsearch_setup "$1"
  give "$1-proxy" 0644 "$SERVERS_DIR/lib/proxy.py" "$DATA/$1-proxy/proxy.py"
  start_server "$1"
  start_server "$1-proxy"
  wait_ready "$1-proxy" 60
  wait_ready "$1" 180
  search_curl "$1" /products -X PUT -H 'Content-Type: application/json' -o /dev/null \
    -d '{"settings":{"number_of_shards":1,"number_of_replicas":0}}'
  printf '{"index":{}}\n{"name":"pen"}\n{"index":{}}\n{"name":"ink"}\n' |
    search_curl "$1" /products/_bulk?refresh=true -H 'Content-Type: application/x-ndjson' -o /dev/null --data-binary @-
}
