//! Checks of `[serve]`: where other machines can come, there is TLS, and its files can be used.

use std::net::SocketAddr;

use crate::config::files::check_file;
use crate::config::problem::{Report, shown_name};
use crate::model::fault::Fault;
use crate::model::schema::{Origin, Table};
use crate::serve::config::{listen, tls};
use crate::sys::clock;
use crate::sys::files;
use crate::sys::identity;

/// The largest body that may be allowed: several may be in memory at once.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// Checks addresses, the certificate with its key, names and limits.
pub fn check(table: &Table, report: &mut Report) {
    let main = address(table, "listen", report);
    let _ = address(table, "health_listen", report); // any address will do for it
    if let Some((address, origin)) = main
        && !address.ip().is_loopback()
        && !table.has("tls_cert")
        && !table.has("tls_key")
    {
        let shown = shown_name(table.text("listen"));
        let fault = Fault::new("config-11", format!("listen is '{shown}', which other machines can reach"))
            .detail("Without TLS, whoever is on the way reads what is asked and answered, tokens too.")
            .hint("Give tls_cert and tls_key, or listen on 127.0.0.1 or [::1].");
        report.problem(origin, fault);
    }
    certificate(table, report);
    hosts(table, report);
    let bytes = table.bytes("body_bytes_max");
    if let Some(origin) = table.origin("body_bytes_max").filter(|_| bytes > BODY_BYTES_MAX) {
        let fault = Fault::new("config-05", format!("body_bytes_max is {bytes} bytes, more than 64MiB"));
        report.problem(origin, fault.hint("Several bodies may be in memory at once."));
    }
}

fn address<'t>(table: &'t Table, key: &str, report: &mut Report) -> Option<(SocketAddr, &'t Origin)> {
    let origin = table.origin(key)?;
    let text = table.text(key);
    let address = listen(text);
    if address.is_none() {
        let fault = Fault::new("config-05", format!("{key} is '{}', not an address and a port", shown_name(text)));
        report.problem(origin, fault.hint("Write it like \"127.0.0.1:9468\" or \"[::1]:9468\"."));
    }
    address.map(|address| (address, origin))
}

fn certificate(table: &Table, report: &mut Report) {
    for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert"), ("tls_client_ca", "tls_cert")] {
        if let (Some(origin), false) = (table.origin(one), table.has(other)) {
            report.problem(origin, Fault::new("config-06", format!("{one} is given, and {other} is not")));
        }
    }
    let mut all_readable = true;
    for key in ["tls_cert", "tls_key", "tls_client_ca"] {
        if let (Some(origin), Err(fault)) = (table.origin(key), readable(table, key)) {
            report.problem(origin, fault);
            all_readable = false;
        }
    }
    if let (Some(path), Some(origin)) = (table.path("tls_key"), table.origin("tls_key"))
        && files::is_open_to_all(&path)
    {
        let what = format!("everybody on this machine may read the key in {}", path.display());
        let fault = Fault::new("config-31", what);
        report.warning(
            origin,
            fault.hint("`chmod o= FILE` takes that away. Whoever has the key can pass for the agent."),
        );
    }
    let (Some(files), Some(origin), true) = (tls(table), table.origin("tls_cert"), all_readable) else { return };
    match identity::read(&files) {
        Err(fault) => report.problem(origin, fault),
        Ok(pair) if pair.expires_ms.is_some_and(|expires_ms| expires_ms <= clock::system_ms()) => {
            let what = format!("the certificate in {} has expired", files.certificate.display());
            report.warning(origin, Fault::new("config-30", what).hint("Clients will refuse it. Renew it."));
        }
        Ok(_) => {}
    }
}

fn readable(table: &Table, key: &str) -> Result<(), Fault> {
    table.path(key).map_or(Ok(()), |path| check_file(key, &path.display().to_string()))
}

/// Names alone: a Host header is compared with them.
fn hosts(table: &Table, report: &mut Report) {
    let Some(origin) = table.origin("hosts") else { return };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    for name in table.texts("hosts").iter().filter(|name| name.is_empty() || !name.chars().all(fits)) {
        let fault = Fault::new("config-05", format!("hosts has '{}', which is not a host's name", shown_name(name)));
        report.problem(origin, fault.hint("Write the name alone: without https://, without a port."));
    }
}
