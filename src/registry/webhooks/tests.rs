//! What webhooks are checked for, how they are sealed, and that a retry is the same delivery.

use super::{Event, Webhooks, check, deliver, payload, service::Wanted};
use crate::{
    auth,
    kernel::{hook::Sender, tls::Trust, web::Web},
    store::{Db, Durability, migrate},
};

fn webhooks(folder: &std::path::Path) -> (Webhooks, Db) {
    let db = Db::open(&folder.join("control.db"), Durability::Full, migrate::CONTROL).expect("opens");
    let auth = auth::Service::open(db.clone(), folder).expect("opens");
    let sender = Sender::new(Web::new(Trust::default()).expect("a client"));
    (Webhooks::new(db.clone(), auth, sender), db)
}

fn wanted() -> Wanted {
    Wanted {
        name: Some("ci".into()),
        url: Some("http://127.0.0.1:1/hook".into()),
        secret: Some("hush".into()),
        events: vec![Event::new("model_version", "created")],
        ..Wanted::default()
    }
}

#[test]
fn names_and_addresses_are_checked() {
    assert!(check::name("ci-hook.1").is_ok());
    assert!(check::name(&"a".repeat(63)).is_ok());
    for bad in ["", "-a", "a-", "a b", "ä", &"a".repeat(64)] {
        assert!(check::name(bad).is_err(), "{bad}");
    }
    assert!(check::url("http://localhost:8080/hook?x=1").is_ok());
    assert!(check::url("https://example.com/x").is_ok());
    for (bad, said) in [
        ("   ", "cannot be empty or just whitespace"),
        ("ftp://example.com", "Invalid webhook URL scheme: 'ftp'"),
        ("http://[invalid", "Invalid webhook URL"),
        ("file:///etc/passwd", "Invalid webhook URL scheme"),
        ("mailto:a@b", "must include a hostname"),
        (&format!("http://h/{}", "x".repeat(500)), "maximum length of 500"),
    ] {
        let error = check::url(bad).expect_err(bad);
        assert!(error.message.contains(said), "{bad}: {}", error.message);
    }
}

#[test]
fn a_delivery_that_is_tried_again_keeps_its_id_and_body() {
    let notice = payload::example(Event::new("model_version", "created")).unwrap();
    let (first, body) = deliver::request(Some("hush"), &notice).unwrap();
    let (second, again) = deliver::request(Some("hush"), &notice).unwrap();
    assert_eq!(first["x-mlflow-delivery-id"], second["x-mlflow-delivery-id"]);
    assert_eq!(body, again);
    assert!(first["x-mlflow-signature"].to_str().unwrap().starts_with("v1,"));
    let (unsigned, _) = deliver::request(None, &notice).unwrap();
    assert!(!unsigned.contains_key("x-mlflow-signature"));
}

#[tokio::test]
async fn a_secret_is_sealed_for_its_webhook_and_can_be_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (webhooks, _) = webhooks(folder.path());
    let webhook = webhooks.create(wanted()).await.unwrap();
    let sealed = webhook.secret.clone().expect("sealed");
    assert!(!String::from_utf8_lossy(&sealed).contains("hush"));
    let renamed = Wanted { name: Some("other".into()), ..Wanted::default() };
    assert_eq!(webhooks.update(&webhook.id, renamed).await.unwrap().secret, Some(sealed));
    let plain = Wanted { secret: Some(String::new()), ..Wanted::default() };
    assert_eq!(webhooks.update(&webhook.id, plain).await.unwrap().secret, None);
}

#[tokio::test]
async fn pages_do_not_overlap_and_the_deleted_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (webhooks, _) = webhooks(folder.path());
    for _ in 0..5 {
        webhooks.create(wanted()).await.unwrap();
    }
    let (first, token) = webhooks.list(Some(3), "").await.unwrap();
    let (second, end) = webhooks.list(Some(3), &token.expect("more")).await.unwrap();
    assert_eq!((first.len(), second.len(), end), (3, 2, None));
    assert!(second.iter().all(|webhook| !first.contains(webhook)));
    for limit in [-1, 1001] {
        assert!(webhooks.list(Some(limit), "").await.is_err());
    }
    webhooks.delete(&first[0].id).await.unwrap();
    assert!(webhooks.delete(&first[0].id).await.unwrap_err().message.contains("not found"));
    assert!(webhooks.create(Wanted { events: Vec::new(), ..wanted() }).await.is_err());
}
