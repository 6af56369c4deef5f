//! What identity promises, through its service.

use super::{
    NewSession, Role, Service,
    keys::KeyWanted,
    model::{NewUser, UserChange},
    seal::Sealer,
};
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
    let key = service.s3_key(&admin.access_key_id).await.expect("reads").expect("is there");
    assert_eq!((&key.secret, key.principal.role), (&admin.secret_access_key, Role::Admin));
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
    let ada = service.password_check("ada", "correct horse battery").await.expect("fits");
    let session = service.session_open(&ada).await.expect("opens");
    let change = UserChange { password: Some("another long password".into()), ..UserChange::default() };
    service.user_update("ada", change).await.expect("changes");
    assert!(service.password_check("ada", "correct horse battery").await.is_err());
    assert_eq!(service.session_check(&session).await.expect("reads"), None);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    assert_eq!(service.user_delete("root").await.expect_err("refused").kind, Kind::Conflict);
    let change = UserChange { role: Some(Role::Viewer), ..UserChange::default() };
    let demoted = service.user_update("root", change).await;
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
    assert!(service.s3_key(&access).await.expect("reads").is_none());
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    let token = service.token_issue("root", "short", Some(-1)).await.expect("issued");
    assert!(service.token_check(&token).await.expect("reads").is_none());
}

fn guest(name: &str, email: Option<&str>) -> NewUser {
    let (name, email) = (name.to_owned(), email.map(str::to_owned));
    NewUser { name, password: None, role: Role::Guest, email, display_name: None }
}

#[tokio::test]
async fn a_guest_needs_no_password_and_cannot_take_the_name_of_another_account() {
    let (_dir, service) = open();
    service.user_add(guest("ann", Some("Ann@Example.org"))).await.expect("made");
    for name in ["crannog", "Anonymous", "123456789012"] {
        assert_eq!(service.user_add(guest(name, None)).await.expect_err("refused").kind, Kind::Invalid);
    }
    let viewer = NewUser { role: Role::Viewer, ..guest("bob", None) };
    assert_eq!(service.user_add(viewer).await.expect_err("refused").kind, Kind::Invalid);
    let found = service.user_by_email("ann@example.ORG").await.expect("reads").expect("is there");
    assert_eq!((found.user.as_str(), found.role), ("ann", Role::Guest));
    let taken = service.user_add(guest("eve", Some("ann@example.org"))).await;
    assert_eq!(taken.expect_err("refused").kind, Kind::Exists);
    assert!(service.user_find("eve").await.expect("reads").is_none(), "half a user is none");
}

#[tokio::test]
async fn a_remembered_key_is_forgotten_when_it_or_its_user_changes() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    service.user_add(guest("ann", None)).await.expect("made");
    let given = Some(("CLIENTKEY".to_owned(), "clients/secret+=".to_owned()));
    let wanted = KeyWanted { user: "ann".into(), label: "moved".into(), given };
    let (access, secret) = service.s3_key_add(wanted.clone()).await.expect("issued");
    assert_eq!(service.s3_key_add(wanted).await.expect_err("refused").kind, Kind::Exists);
    let key = service.s3_key(&access).await.expect("reads").expect("is there");
    assert_eq!((&key.secret, key.principal.role), (&secret, Role::Guest));
    let promoted = UserChange { role: Some(Role::Viewer), ..UserChange::default() };
    service.user_update("ann", promoted).await.expect("changes");
    let role = |key: &std::sync::Arc<super::S3Key>| key.principal.role;
    assert_eq!(service.s3_key(&access).await.expect("reads").as_ref().map(role), Some(Role::Viewer));
    service.s3_key_revoke(&access, None).await.expect("revokes");
    assert!(service.s3_key(&access).await.expect("reads").is_none());

    let (access, _) = service.s3_key_issue("ann", "laptop").await.expect("issued");
    assert!(service.s3_key(&access).await.expect("reads").is_some());
    service.user_delete("ann").await.expect("deletes");
    assert!(service.s3_key(&access).await.expect("reads").is_none());
}

#[tokio::test]
async fn temporary_keys_need_their_token_and_have_at_most_what_their_user_has() {
    let (_dir, service) = open();
    service.user_create("root", "correct horse battery".into(), Role::Admin).await.expect("made");
    service.user_create("ada", "correct horse battery".into(), Role::Editor).await.expect("made");
    let wanted = |at_most| NewSession { user: "ada".into(), role: None, at_most, policy: None, ttl_s: 900 };
    let issued = service.s3_session_issue(wanted(Some(Role::Viewer))).await.expect("issued");
    let key = service.s3_key(&issued.access_key_id).await.expect("reads").expect("is there");
    assert_eq!(key.principal.role, Role::Viewer);
    assert!(key.token_fits(Some(&issued.session_token)));
    assert!(!key.token_fits(None) && !key.token_fits(Some("x")));
    let wide = service.s3_session_issue(wanted(Some(Role::Admin))).await.expect("issued");
    let key = service.s3_key(&wide.access_key_id).await.expect("reads").expect("is there");
    assert_eq!(key.principal.role, Role::Editor);
    service.user_delete("ada").await.expect("deletes");
    assert!(service.s3_key(&wide.access_key_id).await.expect("reads").is_none());
}

#[test]
fn a_database_of_before_guests_keeps_its_users_tokens_and_keys() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("control.db");
    let old = Db::open(&path, Durability::Full, &migrate::CONTROL[..5]).expect("opens");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let fill = |db: &crate::store::Connection| {
            db.execute_batch(
                "INSERT INTO users VALUES ('ada', 'x', 'admin', 1);
                 INSERT INTO tokens VALUES ('t', x'01', 'ada', 'token', 'l', 1, NULL);
                 INSERT INTO s3_keys VALUES ('k', x'02', 'ada', 'l', 1);",
            )?;
            Ok(())
        };
        old.write(fill).await.expect("fills");
        drop(old);
        // Its thread still closes: until the log is gone it may keep others from writing.
        while dir.path().join("control.db-wal").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let new = Db::open(&path, Durability::Full, migrate::CONTROL).expect("migrates");
        let count = |db: &crate::store::Connection| {
            let sql = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM tokens) + (SELECT count(*) FROM s3_keys)";
            let rows: i64 = db.query_row(sql, [], |row| row.get(0))?;
            Ok(rows)
        };
        assert_eq!(new.read(count).await.expect("reads"), 3);
        let gone = |db: &crate::store::Connection| {
            db.execute("DELETE FROM users", [])?;
            Ok(())
        };
        new.write(gone).await.expect("deletes");
        assert_eq!(new.read(count).await.expect("reads"), 0, "what belongs to a user goes with them");
    });
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
