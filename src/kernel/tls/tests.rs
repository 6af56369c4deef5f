//! Certificates: who is shown which, and what happens when they change.

use super::{Authority, CERTIFICATE, Identity, Shown, Trust};
use crate::kernel::http::{Limits, Peer, serve};
use axum::{body::Body, response::Response};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A door that answers how it was spoken to; its task ends with its last connection.
async fn door(identity: Identity, limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
    let service = tower::service_fn(|request: http::Request<Body>| async move {
        let scheme = request.extensions().get::<Peer>().map_or("nothing", Peer::scheme);
        Ok::<_, std::convert::Infallible>(Response::new(Body::from(scheme)))
    });
    let door = tokio::spawn(serve(listener, service, limits, Some(Arc::new(identity)), stop.clone()));
    (address, stop, door)
}

fn client(authority: &Path, resolve: Option<(&str, SocketAddr)>) -> reqwest::Client {
    let mut builder = Trust(vec![authority.to_owned()]).client().expect("a client");
    if let Some((name, address)) = resolve {
        builder = builder.resolve(name, address);
    }
    builder.pool_max_idle_per_host(0).build().expect("a client")
}

async fn ask(client: &reqwest::Client, url: String) -> Result<String, String> {
    match client.get(url).timeout(Duration::from_secs(20)).send().await {
        Ok(response) => response.text().await.map_err(|error| format!("{error:?}")),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// An operator's certificate for `name` in `folder`, by an authority that is its own.
fn operators(folder: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    fs_err::write(&key, made.signing_key.serialize_pem()).expect("written");
    fs_err::write(&chain, made.cert.pem()).expect("written");
    (chain, key)
}

#[tokio::test]
async fn clients_that_trust_the_authority_come_by_address_and_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = Shown { files: None, names: vec!["lab.example".into()] };
    let identity = Identity::open(folder.path(), shown).expect("an identity");
    let (address, _stop, _) = door(identity, Limits::default()).await;
    let authority = folder.path().join(CERTIFICATE);
    let port = address.port();
    for name in ["lab.example", "localhost"] {
        let known = client(&authority, Some((name, address)));
        assert_eq!(ask(&known, format!("https://{name}:{port}/")).await.as_deref(), Ok("https"));
    }
    assert_eq!(ask(&client(&authority, None), format!("https://{address}/")).await.as_deref(), Ok("https"));
    let other = client(&authority, Some(("other.example", address)));
    let refused = ask(&other, format!("https://other.example:{port}/")).await.expect_err("not its name");
    assert!(refused.contains("NotValidForName"), "{refused}");
    let stranger = Trust::default().client().expect("a client").build().expect("a client");
    assert!(ask(&stranger, format!("https://{address}/")).await.is_err());
    let plain = ask(&stranger, format!("http://{address}/")).await.expect("told");
    assert!(plain.contains("https://"), "{plain}");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_clients_that_are_still_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity =
        Identity::open(folder.path(), Shown { files: None, names: Vec::new() }).expect("an identity");
    let hour = Duration::from_secs(3600);
    let limits = Limits { header_timeout: hour, drain: hour, ..Limits::default() };
    let (address, stop, door) = door(identity, limits).await;
    let mut silent = tokio::net::TcpStream::connect(address).await.expect("a connection");
    // An answer to another says that the silent one, which came before, was let in.
    let known = client(&folder.path().join(CERTIFICATE), None);
    assert_eq!(ask(&known, format!("https://{address}/")).await.as_deref(), Ok("https"));
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(60), door).await.expect("stopped").expect("no panic");
    assert_eq!(silent.read(&mut [0; 8]).await.expect("closed in order"), 0);
}

#[tokio::test]
async fn the_authority_outlives_the_server_and_its_key_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let first = Authority::open(folder.path()).expect("made").fingerprint();
    assert_eq!(Authority::open(folder.path()).expect("read").fingerprint(), first);
    assert_eq!(first.len(), 32 * 3 - 1);
    let key = folder.path().join("secrets/ca-key.pem");
    assert_eq!(fs_err::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    fs_err::write(&key, "garbage").expect("written");
    let error = Authority::open(folder.path()).err().expect("refused").message;
    assert!(error.contains("ca-key.pem"), "{error}");
}

#[tokio::test]
async fn an_operators_certificate_is_shown_by_its_name_and_read_again_when_it_changes() {
    let (folder, files) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let pair = operators(files.path(), "lab.example");
    let shown = Shown { files: Some(pair.clone()), names: Vec::new() };
    let identity = Identity::open(folder.path(), shown).expect("an identity");
    let (address, _stop, _) = door(identity, Limits::default()).await;
    let url = format!("https://lab.example:{}/", address.port());
    let before = client(&pair.0, Some(("lab.example", address)));
    assert_eq!(ask(&before, url.clone()).await.as_deref(), Ok("https"));
    // A task on this machine comes by address, and finds the house's own.
    let house = client(&folder.path().join(CERTIFICATE), None);
    assert_eq!(ask(&house, format!("https://{address}/")).await.as_deref(), Ok("https"));

    fs_err::write(&pair.0, "half of a renewal").expect("written");
    operators(files.path(), "lab.example");
    let after = client(&pair.0, Some(("lab.example", address)));
    let mut told = Err(String::new());
    for _ in 0..200 {
        told = ask(&after, url.clone()).await;
        if told.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(told.as_deref(), Ok("https"));
    assert!(ask(&before, url).await.is_err(), "the old one is shown no more");
}

#[test]
fn files_that_do_not_belong_together_are_refused_with_their_names() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (chain, _) = operators(folder.path(), "a.example");
    let (_, key) = operators(other.path(), "a.example");
    let shown = Shown { files: Some((chain, key)), names: Vec::new() };
    let error = Identity::open(folder.path(), shown).err().expect("refused").message;
    assert!(error.contains("chain.pem") && error.contains("do not belong together"), "{error}");
}
