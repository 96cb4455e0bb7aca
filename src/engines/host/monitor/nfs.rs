//! NFS, as client and as server: proc/net/rpc/nfs and nfsd, lines of a word and numbers.

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, table, text_of};
use crate::model::reading::Unknown;
use crate::model::row::Metric;

/// `from` is a line's word and the number's place in it; the last two have labels.
pub const CLIENT: &[Metric] = &[
    Metric::counter("node_nfs_connections_total", "TCP connections made.").from("net 3"),
    Metric::counter("node_nfs_rpcs_total", "Requests made.").from("rpc 0"),
    Metric::counter("node_nfs_rpc_retransmissions_total", "Requests sent again.").from("rpc 1"),
    Metric::counter("node_nfs_rpc_authentication_refreshes_total", "Refreshes of authentication.").from("rpc 2"),
    CLIENT_PACKETS,
    CLIENT_REQUESTS,
];
const CLIENT_PACKETS: Metric = Metric::counter("node_nfs_packets_total", "Packets, by protocol.");
const CLIENT_REQUESTS: Metric =
    Metric::counter("node_nfs_requests_total", "Requests made, by the protocol's version and method.");

pub const SERVER: &[Metric] = &[
    Metric::counter("node_nfsd_connections_total", "TCP connections taken.").from("net 3"),
    Metric::counter("node_nfsd_disk_bytes_read_total", "Bytes read.").from("io 0").unit("By"),
    Metric::counter("node_nfsd_disk_bytes_written_total", "Bytes written.").from("io 1").unit("By"),
    Metric::counter("node_nfsd_file_handles_stale_total", "File handles that were stale.").from("fh 0"),
    Metric::gauge("node_nfsd_read_ahead_cache_size_blocks", "Size of the cache for reading ahead, in blocks.")
        .from("ra 0"),
    Metric::counter("node_nfsd_read_ahead_cache_not_found_total", "Reads that the cache for reading ahead lacked.")
        .from("ra 11"),
    Metric::counter("node_nfsd_reply_cache_hits_total", "Answers from the cache of replies.").from("rc 0"),
    Metric::counter("node_nfsd_reply_cache_misses_total", "Requests that the cache of replies lacked.").from("rc 1"),
    Metric::counter("node_nfsd_reply_cache_nocache_total", "Requests that need no cache of replies.").from("rc 2"),
    Metric::counter("node_nfsd_server_rpcs_total", "Requests taken.").from("rpc 0"),
    Metric::gauge("node_nfsd_server_threads", "Threads that serve.").from("th 0"),
    SERVER_PACKETS,
    SERVER_REQUESTS,
    SERVER_ERRORS,
];
const SERVER_PACKETS: Metric = Metric::counter("node_nfsd_packets_total", "Packets, by protocol.");
const SERVER_REQUESTS: Metric =
    Metric::counter("node_nfsd_requests_total", "Requests taken, by the protocol's version and method.");
const SERVER_ERRORS: Metric =
    Metric::counter("node_nfsd_rpc_errors_total", "Requests that were wrong, by their fault.");

/// Methods in the order of the kernel's numbers, as node_exporter calls them.
const VERSION_2: &str = "Null GetAttr SetAttr Root Lookup ReadLink Read WrCache Write Create Remove Rename Link SymLink MkDir RmDir ReadDir FsStat";
const VERSION_3: &str = "Null GetAttr SetAttr Lookup Access ReadLink Read Write Create MkDir SymLink MkNod Remove RmDir Rename Link ReadDir ReadDirPlus FsStat FsInfo PathConf Commit";
const CLIENT_4: &str = "Null Read Write Commit Open OpenConfirm OpenNoattr OpenDowngrade Close Setattr FsInfo Renew SetClientID SetClientIDConfirm Lock Lockt Locku Access Getattr Lookup LookupRoot Remove Rename Link Symlink Create Pathconf StatFs ReadLink ReadDir ServerCaps DelegReturn GetACL SetACL FsLocations ReleaseLockowner Secinfo FsidPresent ExchangeID CreateSession DestroySession Sequence GetLeaseTime ReclaimComplete GetDeviceInfo LayoutGet LayoutCommit LayoutReturn SecinfoNoName TestStateID FreeStateID GetDeviceList BindConnToSession DestroyClientID Seek Allocate DeAllocate LayoutStats Clone";
/// By operation; `-` is one that node_exporter leaves out.
const SERVER_4: &str = "- - - Access Close Commit Create DelegPurge DelegReturn GetAttr GetFH Link Lock Lockt Locku Lookup LookupRoot Nverify Open OpenAttr OpenConfirm OpenDgrd PutFH - - Read ReadDir ReadLink Remove Rename Renew RestoreFH SaveFH SecInfo SetAttr SetClientID SetClientIDConfirm Verify Write RelLockOwner";

/// proc/net/rpc/nfs.
pub fn client(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    const PATH: &str = "proc/net/rpc/nfs";
    let text = text_of(answer, "rpc/nfs")?;
    table::take_lines(CLIENT, &[], PATH, text, emit)?;
    packets(&CLIENT_PACKETS, "protocol", PATH, text, emit)?;
    for (line, proto, methods) in [("proc2", "2", VERSION_2), ("proc3", "3", VERSION_3), ("proc4", "4", CLIENT_4)] {
        requests(&CLIENT_REQUESTS, PATH, text, line, proto, methods, emit)?;
    }
    Ok(())
}

/// proc/net/rpc/nfsd.
pub fn server(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    const PATH: &str = "proc/net/rpc/nfsd";
    let text = text_of(answer, "rpc/nfsd")?;
    table::take_lines(SERVER, &[], PATH, text, emit)?;
    packets(&SERVER_PACKETS, "proto", PATH, text, emit)?;
    for (line, proto, methods) in [("proc2", "2", VERSION_2), ("proc3", "3", VERSION_3), ("proc4ops", "4", SERVER_4)] {
        // node_exporter leaves the pings of servers out.
        let methods = methods.replace("Null", "-");
        requests(&SERVER_REQUESTS, PATH, text, line, proto, &methods, emit)?;
    }
    if let Some(numbers) = numbers(PATH, text, "wdeleg_getattr")? {
        let labels = [("method", "WdelegGetattr"), ("proto", "4")];
        emit.metric(&SERVER_REQUESTS, &labels, numbers.first().copied().unwrap_or(0.0));
    }
    if let Some([_, _, fmt, auth, client, ..]) = numbers(PATH, text, "rpc")?.as_deref() {
        for (error, count) in [("fmt", fmt), ("auth", auth), ("cInt", client)] {
            emit.metric(&SERVER_ERRORS, &[("error", error)], *count);
        }
    }
    Ok(())
}

/// The numbers of the line that begins with a word.
fn numbers(path: &str, text: &str, wanted: &str) -> Result<Option<Vec<f64>>, Unknown> {
    let is_it = |line: &&str| line.split(' ').next() == Some(wanted);
    let Some(line) = text.lines().find(is_it) else { return Ok(None) };
    let all: Option<Vec<f64>> = line.split_whitespace().skip(1).map(|word| word.parse().ok()).collect();
    all.map(Some).ok_or_else(|| garbled(path, line))
}

/// `net`: all, UDP, TCP, connections.
fn packets(
    metric: &'static Metric,
    label: &'static str,
    path: &str,
    text: &str,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    if let Some([_, udp, tcp, ..]) = numbers(path, text, "net")?.as_deref() {
        emit.metric(metric, &[(label, "udp")], *udp);
        emit.metric(metric, &[(label, "tcp")], *tcp);
    }
    Ok(())
}

/// How many numbers follow, then one for each method. A kernel that knows fewer methods made no request of the others.
fn requests(
    metric: &'static Metric,
    path: &str,
    text: &str,
    line: &str,
    proto: &str,
    methods: &str,
    emit: &mut dyn Emit,
) -> Result<(), Unknown> {
    let Some(numbers) = numbers(path, text, line)? else { return Ok(()) };
    for (at, method) in methods.split(' ').enumerate().filter(|(_, method)| *method != "-") {
        let count = numbers.get(at + 1).copied().unwrap_or(0.0);
        emit.metric(metric, &[("method", method), ("proto", proto)], count);
    }
    Ok(())
}
