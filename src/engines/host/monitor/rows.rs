//! The table of what is read of the host, and how often.

use crate::engines::contract::{Ask, Row, Take};
use crate::engines::host::monitor::{
    cpu, filesystem, groups, hardware, hwmon, network, nfs, packets, proc, storage, system, table, zfs,
};

/// The rows, named as node_exporter's collectors. One that names itself in `only` exists where its files do: a host without such
/// hardware is not asked for it. File systems come last: one that hangs must hold up no other row.
pub const ROWS: &[Row] = &[
    Row {
        name: "stat",
        ask: Ask::Text("proc/ stat"),
        take: Take::Own(proc::stat),
        metrics: proc::STAT,
        ..Row::DEFAULT
    },
    Row {
        name: "loadavg",
        ask: Ask::Text("proc/ loadavg"),
        take: Take::Own(proc::loadavg),
        metrics: proc::LOADAVG,
        ..Row::DEFAULT
    },
    Row {
        name: "meminfo",
        ask: Ask::Text("proc/ meminfo"),
        take: Take::Own(proc::meminfo),
        families: proc::MEMINFO,
        ..Row::DEFAULT
    },
    Row {
        name: "vmstat",
        only: &["vmstat"],
        ask: Ask::Text("proc/ vmstat"),
        take: Take::Own(proc::vmstat),
        families: proc::VMSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "diskstats",
        only: &["diskstats"],
        ask: Ask::Text("proc/ diskstats"),
        take: Take::Own(proc::diskstats),
        metrics: proc::DISKSTATS,
        ..Row::DEFAULT
    },
    Row {
        name: "disk_info",
        every: 20,
        only: &["disk_info"],
        ask: Ask::Text(storage::DISK_INFO_ASK),
        take: Take::Own(storage::disk_info),
        metrics: storage::DISK_INFO,
        ..Row::DEFAULT
    },
    Row {
        name: "pressure",
        only: &["pressure"],
        ask: Ask::Text("proc/pressure/ cpu io memory irq"),
        take: Take::Own(proc::pressure),
        metrics: proc::PRESSURE,
        ..Row::DEFAULT
    },
    Row {
        name: "filefd",
        only: &["filefd"],
        ask: Ask::Text("proc/sys/fs/ file-nr"),
        take: Take::Own(proc::filefd),
        metrics: proc::FILEFD,
        ..Row::DEFAULT
    },
    Row {
        name: "entropy",
        every: 4,
        only: &["entropy"],
        ask: Ask::Text("proc/sys/kernel/random/ entropy_avail poolsize"),
        take: Take::Own(proc::entropy),
        metrics: proc::ENTROPY,
        ..Row::DEFAULT
    },
    Row {
        name: "uname",
        every: 20,
        ask: Ask::Text("proc/sys/kernel/ ostype osrelease version hostname domainname"),
        take: Take::Own(proc::uname),
        metrics: proc::UNAME,
        ..Row::DEFAULT
    },
    Row {
        name: "os",
        every: 20,
        only: &["os"],
        ask: Ask::Text("etc/ os-release usr/lib/ os-release"),
        take: Take::Own(system::os),
        metrics: system::OS,
        ..Row::DEFAULT
    },
    Row {
        name: "dmi",
        every: 20,
        only: &["dmi"],
        ask: Ask::Text(hardware::DMI_ASK),
        take: Take::Own(|answer, _, emit| table::take(hardware::DMI, answer, emit)),
        metrics: hardware::DMI,
        ..Row::DEFAULT
    },
    Row {
        name: "selinux",
        every: 20,
        only: &["selinux"],
        ask: Ask::Text("sys/fs/selinux/ enforce etc/selinux/ config proc/ loadavg"),
        take: Take::Own(system::selinux),
        metrics: system::SELINUX,
        ..Row::DEFAULT
    },
    Row { name: "time", ask: Ask::Text("@clock"), take: Take::Own(proc::time), metrics: proc::TIME, ..Row::DEFAULT },
    Row {
        name: "clocksource",
        every: 20,
        only: &["clocksource"],
        ask: Ask::Text(system::CLOCKSOURCE_ASK),
        take: Take::Own(system::clocksource),
        metrics: system::CLOCKSOURCE,
        ..Row::DEFAULT
    },
    Row {
        name: "timex",
        ask: Ask::Text("@timex"),
        take: Take::Columns { labels: &[] },
        metrics: system::TIMEX,
        ..Row::DEFAULT
    },
    Row {
        name: "kernel_hung",
        every: 4,
        only: &["kernel_hung"],
        ask: Ask::Text("proc/sys/kernel/ hung_task_detect_count"),
        take: Take::Own(|answer, _, emit| table::take(system::HUNG_TASKS, answer, emit)),
        metrics: system::HUNG_TASKS,
        ..Row::DEFAULT
    },
    Row {
        name: "cpufreq",
        every: 4,
        only: &["cpufreq"],
        ask: Ask::Text(cpu::CPUFREQ_ASK),
        take: Take::Own(cpu::cpufreq),
        metrics: cpu::CPUFREQ,
        ..Row::DEFAULT
    },
    Row {
        name: "cpu_throttle",
        every: 4,
        only: &["cpu_throttle"],
        ask: Ask::Text(cpu::THROTTLE_ASK),
        take: Take::Own(cpu::throttle),
        metrics: cpu::THROTTLE,
        ..Row::DEFAULT
    },
    Row {
        name: "schedstat",
        only: &["schedstat"],
        ask: Ask::Text("proc/ schedstat"),
        take: Take::Own(cpu::schedstat),
        metrics: cpu::SCHEDSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "netdev",
        only: &["netdev"],
        ask: Ask::Text(network::NETDEV_ASK),
        take: Take::Own(network::netdev),
        metrics: network::NETDEV,
        ..Row::DEFAULT
    },
    Row {
        name: "netclass",
        every: 4,
        only: &["netclass"],
        ask: Ask::Text(network::NETCLASS_ASK),
        take: Take::Own(network::netclass),
        metrics: network::NETCLASS,
        ..Row::DEFAULT
    },
    Row {
        name: "netstat",
        only: &["netstat"],
        ask: Ask::Text("proc/net/ netstat snmp snmp6"),
        take: Take::Own(network::netstat),
        families: network::NETSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "sockstat",
        only: &["sockstat"],
        ask: Ask::Text("proc/net/ sockstat sockstat6"),
        take: Take::Own(network::sockstat),
        families: network::SOCKSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "softnet",
        only: &["softnet"],
        ask: Ask::Text("proc/net/ softnet_stat"),
        take: Take::Own(packets::softnet),
        metrics: packets::SOFTNET,
        ..Row::DEFAULT
    },
    Row {
        name: "conntrack",
        only: &["conntrack"],
        ask: Ask::Text("proc/sys/net/netfilter/ nf_conntrack_count nf_conntrack_max proc/net/stat/ nf_conntrack"),
        take: Take::Own(network::conntrack),
        metrics: network::CONNTRACK,
        ..Row::DEFAULT
    },
    Row {
        name: "arp",
        every: 4,
        only: &["arp"],
        ask: Ask::Text("proc/net/ arp"),
        take: Take::Own(packets::arp),
        metrics: packets::ARP,
        ..Row::DEFAULT
    },
    Row {
        name: "udp_queues",
        every: 4,
        only: &["udp_queues"],
        ask: Ask::Text("proc/net/ udp udp6"),
        take: Take::Own(packets::udp_queues),
        metrics: packets::UDP_QUEUES,
        ..Row::DEFAULT
    },
    Row {
        name: "bonding",
        only: &["bonding"],
        ask: Ask::Text(packets::BONDING_ASK),
        take: Take::Own(packets::bonding),
        metrics: packets::BONDING,
        ..Row::DEFAULT
    },
    Row {
        name: "ipvs",
        only: &["ipvs"],
        ask: Ask::Text("proc/net/ ip_vs_stats ip_vs"),
        take: Take::Own(packets::ipvs),
        metrics: packets::IPVS,
        ..Row::DEFAULT
    },
    Row {
        name: "nfs",
        every: 4,
        only: &["nfs"],
        ask: Ask::Text("proc/net/rpc/ nfs"),
        take: Take::Own(nfs::client),
        metrics: nfs::CLIENT,
        ..Row::DEFAULT
    },
    Row {
        name: "nfsd",
        every: 4,
        only: &["nfsd"],
        ask: Ask::Text("proc/net/rpc/ nfsd"),
        take: Take::Own(nfs::server),
        metrics: nfs::SERVER,
        ..Row::DEFAULT
    },
    Row {
        name: "mdadm",
        only: &["mdadm"],
        ask: Ask::Text(storage::MDADM_ASK),
        take: Take::Own(storage::mdadm),
        metrics: storage::MDADM,
        ..Row::DEFAULT
    },
    Row {
        name: "dmmultipath",
        every: 4,
        only: &["dmmultipath"],
        ask: Ask::Text(storage::MULTIPATH_ASK),
        take: Take::Own(storage::multipath),
        metrics: storage::MULTIPATH,
        ..Row::DEFAULT
    },
    Row {
        name: "bcache",
        every: 4,
        only: &["bcache"],
        ask: Ask::Text(storage::BCACHE_ASK),
        take: Take::Own(storage::bcache),
        metrics: storage::BCACHE,
        ..Row::DEFAULT
    },
    Row {
        name: "bcache_priority",
        every: 20,
        optional: true,
        only: &["bcache_priority"],
        ask: Ask::Text(storage::BCACHE_PRIORITY_ASK),
        take: Take::Own(storage::bcache_priority),
        metrics: storage::BCACHE_PRIORITY,
        ..Row::DEFAULT
    },
    Row {
        name: "btrfs",
        every: 4,
        only: &["btrfs"],
        ask: Ask::Text(storage::BTRFS_ASK),
        take: Take::Own(storage::btrfs),
        metrics: storage::BTRFS,
        ..Row::DEFAULT
    },
    Row {
        name: "xfs",
        every: 4,
        only: &["xfs"],
        ask: Ask::Text(storage::XFS_ASK),
        take: Take::Own(storage::xfs),
        metrics: storage::XFS,
        ..Row::DEFAULT
    },
    Row {
        name: "zfs",
        only: &["zfs"],
        ask: Ask::Text(zfs::ASK),
        take: Take::Own(zfs::take),
        metrics: zfs::METRICS,
        families: zfs::FAMILIES,
        ..Row::DEFAULT
    },
    Row {
        name: "hwmon",
        every: 4,
        only: &["hwmon"],
        ask: Ask::Text(hwmon::ASK),
        take: Take::Own(hwmon::take),
        metrics: hwmon::METRICS,
        families: hwmon::FAMILIES,
        ..Row::DEFAULT
    },
    Row {
        name: "thermal_zone",
        every: 4,
        only: &["thermal_zone"],
        ask: Ask::Text(hardware::THERMAL_ASK),
        take: Take::Own(|answer, _, emit| table::take(hardware::THERMAL, answer, emit)),
        metrics: hardware::THERMAL,
        ..Row::DEFAULT
    },
    Row {
        name: "cooling_device",
        every: 4,
        only: &["cooling_device"],
        ask: Ask::Text(hardware::COOLING_ASK),
        take: Take::Own(|answer, _, emit| table::take(hardware::COOLING, answer, emit)),
        metrics: hardware::COOLING,
        ..Row::DEFAULT
    },
    Row {
        name: "edac",
        only: &["edac"],
        ask: Ask::Text(hardware::EDAC_ASK),
        take: Take::Own(hardware::edac),
        metrics: hardware::EDAC,
        ..Row::DEFAULT
    },
    Row {
        name: "rapl",
        every: 4,
        only: &["rapl"],
        ask: Ask::Text(hardware::RAPL_ASK),
        take: Take::Own(hardware::rapl),
        families: hardware::RAPL,
        ..Row::DEFAULT
    },
    Row {
        name: "powersupplyclass",
        every: 4,
        only: &["powersupplyclass"],
        ask: Ask::Text(hardware::POWER_SUPPLY_ASK),
        take: Take::Own(|answer, _, emit| table::take(hardware::POWER_SUPPLY, answer, emit)),
        metrics: hardware::POWER_SUPPLY,
        ..Row::DEFAULT
    },
    Row {
        name: "watchdog",
        every: 4,
        only: &["watchdog"],
        ask: Ask::Text(hardware::WATCHDOG_ASK),
        take: Take::Own(|answer, _, emit| table::take(hardware::WATCHDOG, answer, emit)),
        metrics: hardware::WATCHDOG,
        ..Row::DEFAULT
    },
    Row {
        name: "nvme",
        every: 4,
        only: &["nvme"],
        ask: Ask::Text(hardware::NVME_ASK),
        take: Take::Own(hardware::nvme),
        metrics: hardware::NVME,
        ..Row::DEFAULT
    },
    Row {
        name: "tapestats",
        every: 4,
        only: &["tapestats"],
        ask: Ask::Text(hardware::TAPE_ASK),
        take: Take::Own(hardware::tape),
        metrics: hardware::TAPE,
        ..Row::DEFAULT
    },
    Row {
        name: "fibrechannel",
        every: 4,
        only: &["fibrechannel"],
        ask: Ask::Text(hardware::FIBRECHANNEL_ASK),
        take: Take::Own(hardware::fibrechannel),
        metrics: hardware::FIBRECHANNEL,
        ..Row::DEFAULT
    },
    Row {
        name: "infiniband",
        every: 4,
        only: &["infiniband"],
        ask: Ask::Text(hardware::INFINIBAND_ASK),
        take: Take::Own(|answer, _, emit| table::take(hardware::INFINIBAND, answer, emit)),
        metrics: hardware::INFINIBAND,
        ..Row::DEFAULT
    },
    Row {
        name: "processes_by_group",
        every: 4,
        ask: Ask::Text("@groups"),
        take: Take::Own(groups::processes),
        metrics: groups::PROCESSES,
        ..Row::DEFAULT
    },
    Row {
        name: "cgroup",
        every: 4,
        only: &["cgroup"],
        ask: Ask::Text(groups::CONTROL_ASK),
        take: Take::Own(groups::control),
        metrics: groups::CONTROL,
        ..Row::DEFAULT
    },
    Row {
        name: "systemd",
        every: 4,
        only: &["systemd"],
        ask: Ask::Text("@units run/dbus/ system_bus_socket"),
        take: Take::Own(system::units),
        metrics: system::UNITS,
        ..Row::DEFAULT
    },
    Row {
        name: "processes",
        every: 4,
        optional: true,
        ask: Ask::Text("@processes"),
        take: Take::Own(groups::counts),
        metrics: groups::COUNTS,
        ..Row::DEFAULT
    },
    Row {
        name: "softirqs",
        optional: true,
        only: &["softirqs"],
        ask: Ask::Text("proc/ stat"),
        take: Take::Own(cpu::softirqs),
        metrics: cpu::SOFTIRQS,
        ..Row::DEFAULT
    },
    Row {
        name: "softirq_functions",
        optional: true,
        only: &["softirq_functions"],
        ask: Ask::Text("proc/ softirqs"),
        take: Take::Own(cpu::softirq_functions),
        metrics: cpu::SOFTIRQ_FUNCTIONS,
        ..Row::DEFAULT
    },
    Row {
        name: "interrupts",
        optional: true,
        only: &["interrupts"],
        ask: Ask::Text("proc/ interrupts"),
        take: Take::Own(cpu::interrupts),
        metrics: cpu::INTERRUPTS,
        ..Row::DEFAULT
    },
    Row {
        name: "cpu_vulnerabilities",
        every: 20,
        optional: true,
        only: &["cpu_vulnerabilities"],
        ask: Ask::Text("sys/devices/system/cpu/vulnerabilities/ *"),
        take: Take::Own(cpu::vulnerabilities),
        metrics: cpu::VULNERABILITIES,
        ..Row::DEFAULT
    },
    Row {
        name: "cpuinfo",
        every: 4,
        optional: true,
        only: &["cpuinfo"],
        ask: Ask::Text("proc/ cpuinfo"),
        take: Take::Own(cpu::cpuinfo),
        metrics: cpu::CPUINFO,
        ..Row::DEFAULT
    },
    Row {
        name: "ksmd",
        every: 4,
        optional: true,
        only: &["ksmd"],
        ask: Ask::Text(system::KSM_ASK),
        take: Take::Own(|answer, _, emit| table::take(system::KSM, answer, emit)),
        metrics: system::KSM,
        ..Row::DEFAULT
    },
    Row {
        name: "buddyinfo",
        every: 4,
        optional: true,
        only: &["buddyinfo"],
        ask: Ask::Text("proc/ buddyinfo"),
        take: Take::Own(system::buddyinfo),
        metrics: system::BUDDYINFO,
        ..Row::DEFAULT
    },
    Row {
        name: "cgroups",
        every: 4,
        optional: true,
        only: &["cgroups"],
        ask: Ask::Text("proc/ cgroups"),
        take: Take::Own(system::cgroups),
        metrics: system::CGROUPS,
        ..Row::DEFAULT
    },
    Row {
        name: "meminfo_numa",
        every: 4,
        optional: true,
        only: &["meminfo_numa"],
        ask: Ask::Text("sys/devices/system/node/node*/ meminfo numastat"),
        take: Take::Own(system::numa),
        families: system::NUMA,
        ..Row::DEFAULT
    },
    Row {
        name: "xfrm",
        optional: true,
        only: &["xfrm"],
        ask: Ask::Text("proc/net/ xfrm_stat"),
        take: Take::Own(packets::xfrm),
        families: packets::XFRM,
        ..Row::DEFAULT
    },
    Row {
        name: "lnstat",
        optional: true,
        only: &["lnstat"],
        ask: Ask::Text("proc/net/stat/ *"),
        take: Take::Own(packets::lnstat),
        families: packets::LNSTAT,
        ..Row::DEFAULT
    },
    Row {
        name: "filesystem",
        ask: Ask::Text("@mounts"),
        take: Take::Columns { labels: filesystem::LABELS },
        metrics: filesystem::METRICS,
        ..Row::DEFAULT
    },
];
