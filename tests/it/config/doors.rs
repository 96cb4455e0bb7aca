//! `[serve]`: where other machines can come there is TLS, and what it needs can be used.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::config::{check, lines, sound};

/// A folder with a pair of certificate and key, and the key of somebody else.
struct Pair(PathBuf);

impl Pair {
    fn new(name: &str, until_year: i32) -> Pair {
        let folder = std::env::temp_dir().join(format!("watchward-doors-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_string()]).unwrap();
        params.not_after = date_time_ymd(until_year, 1, 1);
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        std::fs::write(folder.join("tls.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
        Pair::allow(&folder.join("tls.key"), 0o600);
        std::fs::write(folder.join("other.key"), other.serialize_pem()).unwrap();
        std::fs::write(folder.join("empty.pem"), "").unwrap();
        Pair(folder)
    }

    fn allow(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn serve(&self, certificate: &str, key: &str) -> String {
        let folder = self.0.display();
        format!(
            "[serve]\nlisten = \"0.0.0.0:9468\"\ntls_cert = \"{folder}/{certificate}\"\ntls_key = \"{folder}/{key}\"\n"
        )
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn with_a_certificate_any_address_will_do() {
    let pair = Pair::new("good", 2099);
    let loaded = sound(&pair.serve("tls.pem", "tls.key"));
    assert_eq!(loaded.configuration.external_url(), "https://0.0.0.0:9468");
    assert!(loaded.warnings.is_empty());
    sound("[serve]\nhealth_listen = \"0.0.0.0:9469\"\n");
}

#[test]
fn each_fault_of_the_certificate_is_told_with_its_place() {
    let pair = Pair::new("faulty", 2099);
    let at = pair.0.display();
    check(
        &pair.serve("tls.pem", "other.key"),
        &[&format!(
            "agent.toml:3:12: the key in {at}/other.key does not belong to the certificate in {at}/tls.pem [tls-06] \
             | hint: Is the server's own certificate the first in its file, and was the key renewed with it?"
        )],
    );
    check(
        &pair.serve("empty.pem", "tls.key"),
        &[&format!(
            "agent.toml:3:12: cannot read the certificates in {at}/empty.pem: there is none in it [tls-03] \
             | hint: Is it a PEM file, and may the agent's user read it?"
        )],
    );
    std::fs::write(pair.0.join("odd.pem"), "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").unwrap();
    let told = lines(&crate::config::read(&pair.serve("odd.pem", "tls.key")).err().unwrap());
    let expected =
        format!("agent.toml:3:12: the certificate in {at}/odd.pem cannot be used: invalid peer certificate: ");
    assert!(told.len() == 1 && told[0].starts_with(&expected) && told[0].ends_with(" [tls-07]"), "{told:?}");
    check(
        &pair.serve("tls.pem", "missing.key"),
        &[&format!(
            "agent.toml:4:11: tls_key cannot be read: No such file or directory (os error 2) [config-09] \
             | detail: It names {at}/missing.key. | hint: Does the file exist, and may the agent's user read it?"
        )],
    );
    check(
        &format!("[serve]\ntls_cert = \"{at}/tls.pem\"\n"),
        &["agent.toml:2:12: tls_cert is given, and tls_key is not [config-06]"],
    );
    check(
        &format!("[serve]\ntls_client_ca = \"{at}/tls.pem\"\n"),
        &["agent.toml:2:17: tls_client_ca is given, and tls_cert is not [config-06]"],
    );
}

#[test]
fn a_certificate_that_has_expired_is_warned_of() {
    let pair = Pair::new("expired", 2021);
    let loaded = sound(&pair.serve("tls.pem", "tls.key"));
    assert_eq!(
        lines(&loaded.warnings),
        [format!(
            "agent.toml:3:12: the certificate in {}/tls.pem has expired [config-30] | hint: Clients will refuse it. Renew it.",
            pair.0.display()
        )]
    );
}

#[test]
fn a_key_that_everybody_may_read_is_warned_of_wherever_a_link_to_it_stands() {
    let pair = Pair::new("open", 2099);
    let key = pair.0.join("tls.key");
    std::os::unix::fs::symlink(&key, pair.0.join("link.key")).unwrap();
    for mode in [0o644, 0o602, 0o666] {
        Pair::allow(&key, mode);
        for name in ["tls.key", "link.key"] {
            let loaded = sound(&pair.serve("tls.pem", name));
            assert_eq!(
                lines(&loaded.warnings),
                [format!(
                    "agent.toml:4:11: everybody on this machine may read the key in {}/{name} [config-31] \
                     | hint: `chmod o= FILE` takes that away. Whoever has the key can pass for the agent.",
                    pair.0.display()
                )],
                "{mode:o}"
            );
        }
    }
    Pair::allow(&key, 0o640); // of a group that may read it, the administrator knows why
    assert!(sound(&pair.serve("tls.pem", "link.key")).warnings.is_empty());
}

#[test]
fn addresses_names_and_limits_that_are_none_are_told() {
    check(
        "[serve]\nhealth_listen = \"everywhere\"\nhosts = [\"https://db1\", \"db1.example.org\"]\nbody_bytes_max = \"1GiB\"\n",
        &[
            "agent.toml:2:17: health_listen is 'everywhere', not an address and a port [config-05] \
             | hint: Write it like \"127.0.0.1:9468\" or \"[::1]:9468\".",
            "agent.toml:3:9: hosts has '…', which is not a host's name [config-05] \
             | hint: Write the name alone: without https://, without a port.",
            "agent.toml:4:18: body_bytes_max is 1073741824 bytes, more than 64MiB [config-05] \
             | hint: Several bodies may be in memory at once.",
        ],
    );
}
