//! The programs of the other side: Debian's packages, installed by root where they are missing, started by nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::Outcome;
use crate::say;

/// Package and program.
const WANTED: [(&str, &str); 6] = [
    ("prometheus", "prometheus"),
    ("prometheus", "promtool"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
    ("prometheus-postgres-exporter", "prometheus-postgres-exporter"),
    ("prometheus-redis-exporter", "prometheus-redis-exporter"),
];
const SEARCH_EXPORTER: &str = "prometheus-elasticsearch-exporter";

/// A package asks this file whether it may start its service.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const ASIDE: &str = "/usr/sbin/policy-rc.d.before-footprint";

fn missing() -> Vec<&'static str> {
    let wanted = WANTED.iter().chain(&[(SEARCH_EXPORTER, SEARCH_EXPORTER)]);
    let mut names: Vec<&str> = wanted.filter(|(_, program)| find(program).is_none()).map(|(name, _)| *name).collect();
    names.dedup();
    names
}

/// Where a program is.
pub fn find(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin"];
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
}

/// Installs what is missing, if it is needed.
pub fn install_missing(needed: bool) -> Outcome<()> {
    let names = missing();
    if !needed || names.is_empty() {
        return Ok(());
    }
    let words = names.join(" ");
    if !watchward::sys::process::is_root() {
        return Err(format!(
            "these Debian packages are missing: {words}; install them, then run this again: \
             sudo apt-get install --no-install-recommends {words}"
        ));
    }
    say(&format!("installing {words}"));
    let _kept = Policy::deny_starts().map_err(|error| format!("{POLICY}: {error}"))?;
    let done = Command::new("apt-get")
        .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends"])
        .args(&names)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| format!("apt-get: {error}"))?;
    if !done.status.success() || !missing().is_empty() {
        return Err(format!("apt-get could not install {words}: {}", String::from_utf8_lossy(&done.stderr)));
    }
    disable(&names);
    Ok(())
}

/// Nor shall they start at the next boot.
fn disable(names: &[&str]) {
    if Path::new("/run/systemd/system").exists() {
        let _ = Command::new("systemctl").args(["disable", "--quiet"]).args(names).status(); // best effort
    }
}

/// Denies starts as long as it lives; a policy that was there before comes back.
struct Policy;

impl Policy {
    fn deny_starts() -> std::io::Result<Policy> {
        if Path::new(POLICY).exists() && !Path::new(ASIDE).exists() {
            fs::rename(POLICY, ASIDE)?;
        }
        fs::write(
            POLICY,
            "#!/bin/sh\n# watchward: benches/footprint removes this when it has installed its packages\nexit 101\n",
        )?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Policy)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let _ = fs::remove_file(POLICY);
        if Path::new(ASIDE).exists() {
            let _ = fs::rename(ASIDE, POLICY);
        }
    }
}
