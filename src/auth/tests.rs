//! What identity promises, through its service.

use super::{Role, Service, seal::Sealer};
use crate::{
    kernel::error::Kind,
    store::{Db, Durability, migrate},
};
use tempfile::TempDir;

fn open() -> (TempDir, Service) {
    let dir = tempfile::tempdir().expect("a folder");
    let db = Db::open(&dir.path().join("control.db"), Durability::Full, migrate::CONTROL).expect("opens");
    let service = Service::open(db, dir.path()).expect("opens");
    (dir, service)
}

#[tokio::test]
async fn the_first_start_makes_one_admin_and_later_starts_none() {
    let (dir, service) = open();
    let admin = service.first_admin(dir.path(), None).await.expect("made").expect("is new");
    assert_eq!(service.password_check("admin", &admin.password).await.expect("fits").role, Role::Admin);
    assert!(service.first_admin(dir.path(), None).await.expect("starts").is_none());
    let (secret, who) = service.s3_secret(&admin.access_key_id).await.expect("reads").expect("is there");
    assert_eq!((secret, who.role), (admin.secret_access_key, Role::Admin));
}

#[tokio::test]
async fn a_first_start_cut_short_keeps_the_credentials_it_wrote() {
    let (dir, service) = open();
    let text = "user = \"admin\"\npassword = \"a-kept-password\"\naccess_key_id = \"CRNX\"\nsecret_access_key = \"s\"\n";
    fs_err::write(dir.path().join("admin.toml"), text).expect("writes");
    let admin = service.first_admin(dir.path(), None).await.expect("made").expect("is new");
    assert_eq!(admin.password, "a-kept-password");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_hear_the_same() {
    let (_dir, service) = open();
    service.user_create("ada", "correct horse battery".into(), Role::Viewer).await.expect("made");
    let wrong = service.password_check("ada", "wrong").await.expect_err("refused");
    let unknown = service.password_check("eve", "wrong").await.expect_err("refused");
    assert_eq!((wrong.kind, &wrong.message), (Kind::Unauthenticated, &unknown.message));
}

#[tokio::test]
async fn a_changed_password_ends_sessions_and_the_old_password_at_once() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    service.user_create("ada", "correct horse battery".into(), Role::Viewer).await.expect("made");
    service.password_check("ada", "correct horse battery").await.expect("fits");
    let session = service.session_open("ada").await.expect("opens");
    service.user_update("ada", Some("another long password".into()), None).await.expect("changes");
    assert!(service.password_check("ada", "correct horse battery").await.is_err());
    assert_eq!(service.session_check(&session).await.expect("reads"), None);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    assert_eq!(service.user_delete("root").await.expect_err("refused").kind, Kind::Conflict);
    let demoted = service.user_update("root", None, Some(Role::Viewer)).await;
    assert_eq!(demoted.expect_err("refused").kind, Kind::Conflict);
}

#[tokio::test]
async fn revoking_a_label_revokes_its_tokens_and_keys() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    let token = service.token_issue("root", "run:1", None).await.expect("issued");
    let (access, _) = service.s3_key_issue("root", "run:1").await.expect("issued");
    assert!(service.token_check(&token).await.expect("reads").is_some());
    assert!(service.session_check(&token).await.expect("reads").is_none(), "a token is no session");
    service.label_revoke("run:1").await.expect("revokes");
    assert!(service.token_check(&token).await.expect("reads").is_none());
    assert!(service.s3_secret(&access).await.expect("reads").is_none());
}

#[tokio::test]
async fn a_key_in_use_follows_its_owner_and_dies_when_it_is_revoked() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    service.user_create("ada", "correct horse battery".into(), Role::Editor).await.expect("made");
    let (access, secret) = service.s3_key_issue("ada", "laptop").await.expect("issued");
    for _ in 0..2 {
        let (known, who) = service.s3_secret(&access).await.expect("reads").expect("is there");
        assert_eq!((known, who.role), (secret.clone(), Role::Editor));
    }
    service.user_update("ada", None, Some(Role::Viewer)).await.expect("changes");
    let (_, who) = service.s3_secret(&access).await.expect("reads").expect("is there");
    assert_eq!(who.role, Role::Viewer);
    service.s3_key_revoke(&access, None).await.expect("revokes");
    assert!(service.s3_secret(&access).await.expect("reads").is_none());

    let (access, _) = service.s3_key_issue("ada", "laptop").await.expect("issued");
    assert!(service.s3_secret(&access).await.expect("reads").is_some());
    service.user_delete("ada").await.expect("deletes");
    assert!(service.s3_secret(&access).await.expect("reads").is_none());
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    let token = service.token_issue("root", "short", Some(-1)).await.expect("issued");
    assert!(service.token_check(&token).await.expect("reads").is_none());
}

#[test]
fn a_sealed_secret_opens_under_its_own_name_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let sealer = Sealer::open(&dir.path().join("master.key")).expect("opens");
    let sealed = sealer.seal("KEY1", "hidden").expect("seals");
    assert_eq!(sealer.unseal("KEY1", &sealed).expect("opens"), "hidden");
    assert!(sealer.unseal("KEY2", &sealed).is_err());
    assert!(sealer.unseal("KEY1", &sealed[..10]).is_err());
}
