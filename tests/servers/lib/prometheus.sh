# Prometheus 2.42 (takes remote write, scrapes itself and what tests put into a folder) and Alertmanager 0.25.
# shellcheck shell=bash
# Sourced after process.sh, never run.

prometheus_setup() {
  make_dir prometheus "$DATA/prometheus" 0755
  make_dir alertmanager "$DATA/alertmanager" 0755
  # The folder for tests is here and only linked from the clone, which the prometheus user may not be able to enter.
  install -d -m 0755 "$DATA/prometheus/sd"
  write_for prometheus 0644 "$DATA/prometheus/prometheus.yml" <<YML
global:
  scrape_interval: 5s
  evaluation_interval: 5s
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["127.0.0.1:$(port_of prometheus)"]
  - job_name: tests
    honor_labels: true
    file_sd_configs:
      - files: ["$DATA/prometheus/sd/*.json"]
        refresh_interval: 2s
YML
  write_for alertmanager 0644 "$DATA/alertmanager/alertmanager.yml" <<YML
route:
  receiver: hook
  group_wait: 1s
  group_interval: 5s
receivers:
  - name: hook
    webhook_configs:
      - url: http://127.0.0.1:$(port_of alertmanager-hook)/
YML
}

prometheus_launch() {
  local dir=$DATA/$1
  case $1 in
    prometheus)
      spawn prometheus prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" \
        --storage.tsdb.retention.time=2d --web.listen-address="127.0.0.1:$(port_of prometheus)" \
        --web.enable-remote-write-receiver --web.enable-lifecycle
      ;;
    alertmanager)
      # An empty cluster address: no gossip, and no second port.
      spawn alertmanager prometheus-alertmanager --config.file="$dir/alertmanager.yml" --storage.path="$dir/data" \
        --web.listen-address="127.0.0.1:$(port_of alertmanager)" --cluster.listen-address=
      ;;
  esac
}

prometheus_ready() { curl --noproxy '*' -sf -m 5 -o /dev/null "http://127.0.0.1:$(port_of "$1")/-/ready"; }

prometheus_up() {
  prometheus_setup
  start_server prometheus
  start_server alertmanager
  wait_ready prometheus 60
  wait_ready alertmanager 60
}
