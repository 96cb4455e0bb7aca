//! TLS: what is wrong with a certificate is said in words an operator knows.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use watchward::model::fault::Fault;
use watchward::sys::net::{Address, dial};
use watchward::sys::tls::{Trust, Wish, client_config, install_provider, secure};

/// A server with a certificate for `name` that ends in `year`, and the file of its authority.
struct Server {
    address: Address,
    ca_file: PathBuf,
}

async fn server(name: &str, year: i32, only_12: bool) -> Server {
    install_provider();
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let versions: &[_] = if only_12 { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let config = ServerConfig::builder_with_protocol_versions(versions).with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(socket).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    let ca_file = std::env::temp_dir().join(format!("watchward-tls-{}-{port}.pem", std::process::id()));
    std::fs::write(&ca_file, authority.pem()).unwrap();
    Server { address: Address::Tcp { host: "127.0.0.1".to_string(), port }, ca_file }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca_file);
    }
}

async fn hello(server: &Server, wish: Wish) -> Result<String, Fault> {
    let mut stream = secure(dial(&server.address, 10_000).await?, &wish).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    Ok(text)
}

fn wish(server: &Server) -> Wish {
    Wish { server_name: "db1.example".to_string(), trust: Trust::File(server.ca_file.clone()), ..Wish::default() }
}

#[tokio::test]
async fn a_good_certificate_is_believed_in_both_versions() {
    for only_12 in [false, true] {
        let server = server("db1.example", 2096, only_12).await;
        assert_eq!(hello(&server, wish(&server)).await.unwrap(), "hello");
    }
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_own_words_and_hint() {
    let good = server("db1.example", 2096, false).await;
    let other = server("db2.example", 2096, false).await;
    let expired = server("db1.example", 2002, false).await;
    let check = async |server: &Server, wish: Wish, what: &str, hint: &str| {
        let fault = hello(server, wish).await.unwrap_err();
        assert_eq!((fault.what.as_str(), fault.hint.as_str()), (what, hint));
        assert!(fault.detail.starts_with("TLS said: "), "{}", fault.detail);
    };
    check(
        &other,
        wish(&other),
        "the certificate of 'db1.example' is for another host",
        "Use the name that stands in the certificate, or issue one for this name.",
    )
    .await;
    check(
        &expired,
        wish(&expired),
        "the certificate of 'db1.example' has expired",
        "Renew the server's certificate; is this machine's clock right?",
    )
    .await;
    let stranger = Wish { trust: Trust::File(other.ca_file.clone()), ..wish(&good) };
    check(
        &good,
        stranger,
        "the certificate of 'db1.example' is signed by an authority that is not trusted",
        "Name the authority's certificate in ca_file.",
    )
    .await;
    let system = Wish { trust: Trust::System, ..wish(&good) };
    assert!(hello(&good, system).await.is_err());
}

#[tokio::test]
async fn trusting_anybody_or_any_name_forgives_just_that() {
    let other = server("db2.example", 2096, false).await;
    assert_eq!(hello(&other, Wish { trust: Trust::Anybody, ..wish(&other) }).await.unwrap(), "hello");
    assert_eq!(hello(&other, Wish { any_name: true, ..wish(&other) }).await.unwrap(), "hello");
    let expired = server("db2.example", 2002, false).await;
    let fault = hello(&expired, Wish { any_name: true, ..wish(&expired) }).await.unwrap_err();
    assert_eq!(fault.what, "the certificate of 'db1.example' has expired");
}

#[tokio::test]
async fn a_server_without_tls_or_below_the_wanted_version_is_told() {
    let old = server("db1.example", 2096, true).await;
    let fault = hello(&old, Wish { only_13: true, ..wish(&old) }).await.unwrap_err();
    assert!(fault.what.starts_with("TLS with 'db1.example' failed: "), "{}", fault.what);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.write_all(b"220 this is not TLS\r\n").await;
        let _ = socket.shutdown().await;
    });
    let stream = dial(&Address::Tcp { host: "127.0.0.1".to_string(), port }, 1000).await.unwrap();
    let fault = secure(stream, &wish(&old)).await.err().unwrap();
    assert_eq!(
        fault.to_string(),
        "TLS with 'db1.example' failed: received corrupt message of type InvalidContentType [tls-04]\n\
         hint: Does the server speak TLS on this port, in version 1.2 or newer?"
    );
}

#[tokio::test]
async fn a_name_that_no_certificate_can_have_is_told() {
    let good = server("db1.example", 2096, false).await;
    let odd = Wish { server_name: "db 1".to_string(), ..wish(&good) };
    assert_eq!(
        hello(&good, odd).await.unwrap_err().to_string(),
        "'db 1' is not a name a certificate can be for [tls-01]"
    );
}

#[tokio::test]
async fn files_that_hold_no_certificate_are_named() {
    let good = server("db1.example", 2096, false).await;
    let missing = Wish { trust: Trust::File("/nowhere/ca.pem".into()), ..wish(&good) };
    let fault = hello(&good, missing).await.unwrap_err();
    assert!(fault.what.starts_with("cannot read the certificates in /nowhere/ca.pem: "), "{}", fault.what);
    assert_eq!(fault.hint, "Is it a PEM file, and may the agent's user read it?");
}

#[test]
fn a_client_certificate_whose_key_is_another_s_is_told_with_its_file() {
    install_provider();
    let file = |name: &str, text: String| {
        let path = std::env::temp_dir().join(format!("watchward-tls-{}-{name}.pem", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    };
    let (own, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(vec!["agent".to_string()]).unwrap().self_signed(&own).unwrap();
    let identity = (file("certificate", certificate.pem()), file("key", other.serialize_pem()));
    let wish = Wish { trust: Trust::Anybody, identity: Some(identity.clone()), ..Wish::default() };
    let fault = client_config(&wish).expect_err("another's key");
    for path in [&identity.0, &identity.1] {
        let _ = std::fs::remove_file(path);
    }
    assert_eq!(
        fault.to_string().replace(&identity.0.display().to_string(), "agent.pem"),
        "the client certificate in agent.pem cannot be used: keys may not be consistent: KeyMismatch [tls-02]\n\
         hint: Is the key the one that was made for it?"
    );
}
