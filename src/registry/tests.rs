//! The registry's rules over a real database, with a tracker of two models.

use super::{
    Logged, ModelUri, Pick, Service, Tracker,
    import::{Alias, ModelRecord, VersionRecord},
    model::NewVersion,
    search::{Query, Subject},
    source,
};
use crate::{
    kernel::{
        error::{Error, Kind, Result},
        event::{Bus, Event},
    },
    store::{Db, Durability, migrate},
    tracking::{
        gc::{Claims, Report, Wanted},
        search::reach::Reach,
    },
};
use futures::{FutureExt, future::BoxFuture};

struct OneRun;

impl Tracker for OneRun {
    fn run_root<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<String>> {
        let root = match run_id {
            "r1" | "r2" => Ok(format!("mlflow-artifacts:/1/{run_id}/artifacts")),
            _ => Err(Error::not_found("no run")),
        };
        async { root }.boxed()
    }

    fn logged_model<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Logged>> {
        let found = if id == "m-1" {
            Ok(Logged {
                artifact_uri: "mlflow-artifacts:/1/models/m-1/artifacts".into(),
                run_id: "r1".into(),
            })
        } else {
            Err(Error::not_found("no model"))
        };
        async { found }.boxed()
    }

    fn logged_by_run<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<Logged>>> {
        async { Ok(None) }.boxed()
    }

    fn collect_deleted(&self, _: Wanted, _: Claims) -> BoxFuture<'_, Result<Report>> {
        async { Ok(Report::default()) }.boxed()
    }

    fn keeps<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<bool>> {
        let kept = folder == "1" || folder.starts_with("1/") || folder.is_empty();
        async move { Ok(kept) }.boxed()
    }

    fn registered<'a>(&'a self, _: &'a str, _: &'a str, _: u32) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }
}

struct Home {
    registry: Service,
    bus: Bus,
    _folder: tempfile::TempDir,
}

fn home() -> Home {
    let folder = tempfile::tempdir().expect("a folder");
    let db = Db::open(&folder.path().join("control.db"), Durability::Full, migrate::CONTROL).expect("opens");
    let bus = Bus::new();
    Home { registry: Service::new(db, OneRun, bus.clone(), None), bus, _folder: folder }
}

fn of_run(path: &str) -> NewVersion {
    NewVersion { source: format!("runs:/r1/{path}"), run_id: "r1".into(), ..NewVersion::default() }
}

fn of_model() -> NewVersion {
    NewVersion { source: "models:/m-1".into(), logged_model_id: Some("m-1".into()), ..NewVersion::default() }
}

async fn with_versions(home: &Home, count: usize) {
    home.registry.model_create("iris", "", vec![]).await.expect("creates");
    for _ in 0..count {
        home.registry.version_create("iris", of_model()).await.expect("creates a version");
    }
}

#[tokio::test]
async fn a_version_number_is_given_once() {
    let home = home();
    with_versions(&home, 2).await;
    home.registry.version_delete("iris", 2).await.expect("deletes");
    let next = home.registry.version_create("iris", of_run("model")).await.expect("creates");
    assert_eq!(next.version, 3);
    let gone = home.registry.version_get("iris", 2).await.expect_err("is gone");
    assert_eq!(gone.message, "Model Version (name=iris, version=2) not found");
}

#[tokio::test]
async fn moving_an_alias_is_told_after_it_is_durable() {
    let home = home();
    with_versions(&home, 2).await;
    let mut events = home.bus.subscribe();
    home.registry.alias_set("iris", "champion", 2).await.expect("sets");
    let event = events.try_recv().expect("told");
    assert!(matches!(event, Event::AliasMoved { version: Some(2), .. }), "{event:?}");
    let at = home.registry.resolve("models:/iris@champion").await.expect("resolves");
    assert_eq!((at.version.as_str(), at.bucket.as_str()), ("2", "mlflow"));
    assert_eq!(at.source_prefix, "1/models/m-1/artifacts");
    home.registry.version_delete("iris", 2).await.expect("deletes");
    assert!(matches!(events.try_recv(), Ok(Event::AliasMoved { version: None, .. })));
    let gone = home.registry.resolve("models:/iris@champion").await.expect_err("points nowhere");
    assert_eq!(gone.kind, Kind::NotFound);
}

#[tokio::test]
async fn an_alias_points_at_what_exists_and_keeps_off_reserved_names() {
    let home = home();
    with_versions(&home, 1).await;
    for (alias, version) in [("champion", 9), ("latest", 1), ("v3", 1), ("a b", 1), ("", 1)] {
        home.registry.alias_set("iris", alias, version).await.expect_err(alias);
    }
    let missing = home.registry.version_by_alias("iris", "nobody").await.expect_err("is missing");
    assert_eq!(
        (missing.kind, missing.message.as_str()),
        (Kind::Invalid, "Registered model alias nobody not found.")
    );
}

#[tokio::test]
async fn a_rename_keeps_versions_aliases_and_tags() {
    let home = home();
    with_versions(&home, 1).await;
    home.registry.alias_set("iris", "champion", 1).await.expect("sets");
    home.registry.model_tag_set("iris", "team", "ops").await.expect("tags");
    home.registry.model_rename("iris", "flower").await.expect("renames");
    let model = home.registry.model_get("flower").await.expect("is there");
    assert_eq!(model.aliases, [("champion".to_owned(), 1)]);
    assert_eq!((model.latest.len(), model.latest[0].name.as_str()), (1, "flower"));
    assert_eq!(home.registry.model_get("iris").await.expect_err("is gone").kind, Kind::NotFound);
    home.registry.model_create("iris", "", vec![]).await.expect("the name is free");
    let taken = home.registry.model_rename("iris", "flower").await.expect_err("is taken");
    assert_eq!(taken.kind, Kind::Exists);
}

#[tokio::test]
async fn a_source_must_belong_to_the_run_or_model_named() {
    let home = home();
    with_versions(&home, 0).await;
    let refused = [
        ("/etc", "", None),
        ("file:///etc", "r1", None),
        ("runs:/r2/model", "r1", None),
        ("models:/m-1", "", None),
        ("models:/m-2", "", Some("m-1")),
        ("mlflow-artifacts:/1/r1/artifacts/../../2", "r1", None),
        ("mlflow-artifacts:/1/r1/artifacts/%2e%2e/x", "r1", None),
        ("mlflow-artifacts:/1/r10/artifacts/m", "r1", None),
        ("mlflow-artifacts:/1/r1/artifacts-not/m", "r1", None),
        ("mlflow-artifacts:/1/r1/artifacts/m", "", None),
        ("http://host/x", "r1", None),
    ];
    for (source, run, model) in refused {
        let new = NewVersion {
            source: source.into(),
            run_id: run.into(),
            logged_model_id: model.map(Into::into),
            ..NewVersion::default()
        };
        let error = home.registry.version_create("iris", new).await.expect_err(source);
        assert_eq!(error.kind, Kind::Invalid, "{source}");
    }
    // Inside the run, and two that are nobody's here.
    for source in ["mlflow-artifacts:/1/r1/artifacts/m", "runs:/gone/model", "mlflow-artifacts:/models/x"] {
        let new = NewVersion { source: source.into(), run_id: "r1".into(), ..NewVersion::default() };
        home.registry.version_create("iris", new).await.expect(source);
    }
    let copy = NewVersion { source: "models:/iris/1".into(), ..NewVersion::default() };
    let copy = home.registry.version_create("iris", copy).await.expect("copies");
    assert_eq!((copy.storage.as_str(), copy.run_id.as_str()), ("mlflow-artifacts:/1/r1/artifacts/m", "r1"));
}

#[tokio::test]
async fn a_stage_holds_one_version_when_the_others_are_archived() {
    let home = home();
    with_versions(&home, 2).await;
    home.registry.version_transition("iris", 1, "production", false).await.expect("moves");
    home.registry.version_transition("iris", 2, "Production", true).await.expect("moves");
    let latest = home.registry.latest_versions("iris", &["Production".into()]).await.expect("reads");
    assert_eq!(latest.iter().map(|version| version.version).collect::<Vec<_>>(), [2]);
    let at = home.registry.resolve("models:/iris/Production").await.expect("resolves");
    assert_eq!(at.version, "2");
    home.registry.version_transition("iris", 1, "none", true).await.expect_err("not an active stage");
    home.registry.version_transition("iris", 1, "gold", false).await.expect_err("no such stage");
}

#[tokio::test]
async fn searches_filter_order_and_page() {
    let home = home();
    let tag = |value: &str| vec![("team".to_owned(), value.to_owned())];
    for (name, team) in [("alpha", "a"), ("beta", "b"), ("Alto", "a"), ("it's", "b")] {
        home.registry.model_create(name, "", tag(team)).await.expect("creates");
    }
    let prompt = vec![("mlflow.prompt.is_prompt".to_owned(), "true".to_owned())];
    home.registry.model_create("prompt", "", prompt).await.expect("creates");
    for (filter, expected) in [
        ("", &["Alto", "alpha", "beta", "it's"][..]),
        ("name LIKE 'al%'", &["alpha"]),
        ("name ILIKE 'al%'", &["Alto", "alpha"]),
        ("name = 'it''s'", &["it's"]),
        ("name IN ('beta', 'alpha')", &["alpha", "beta"]),
        ("name != 'beta' AND tags.team = 'b'", &["it's"]),
        ("tags.`team` LIKE '%' and tag.team != 'b'", &["Alto", "alpha"]),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", &["prompt"]),
    ] {
        let page = home.registry.models_search(&Reach::All, filter, &[], 100, "").await.expect(filter);
        let names: Vec<_> = page.items.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, expected, "{filter}");
    }
    let first =
        home.registry.models_search(&Reach::All, "", &["name DESC".into()], 3, "").await.expect("pages");
    let token = first.next.expect("more");
    let second =
        home.registry.models_search(&Reach::All, "", &["name DESC".into()], 3, &token).await.expect("pages");
    assert_eq!((second.items.len(), second.next), (1, None));
}

#[test]
fn a_filter_that_means_nothing_is_refused() {
    for filter in [
        "name",
        "name =",
        "name = x",
        "size = '1'",
        "name = 'a' OR name = 'b'",
        "name = 'a",
        "name IN ()",
        "name IN 'a'",
        "metrics.x > 1",
        "name > 'a'",
        "; DROP TABLE runs",
        "tags.`a = 'b'",
        "name = 'a') --",
    ] {
        Query::parse(Subject::Models, filter, &[]).expect_err(filter);
    }
    let clean = "version_number >= 2 AND run_id = 'r1' AND source_path LIKE 'runs:%'";
    Query::parse(Subject::Versions, clean, &[]).expect("is a filter");
    Query::parse(Subject::Models, "", &["size".into()]).expect_err("no such column");
    Query::parse(Subject::Models, "", &["name".into(), "name DESC".into()]).expect_err("twice");
}

#[test]
fn addresses_are_taken_apart_as_mlflow_does() {
    let registered = |name: &str, pick: Pick| ModelUri::Registered { name: name.into(), pick };
    for (uri, expected) in [
        ("models:/m-1", ModelUri::Logged("m-1".into())),
        ("models:/iris/3", registered("iris", Pick::Version(3))),
        ("models:/iris/Latest", registered("iris", Pick::Latest)),
        ("models:/iris/Staging", registered("iris", Pick::Stage("Staging".into()))),
        ("models:/iris@prod", registered("iris", Pick::Alias("prod".into()))),
        ("models:///iris@prod", registered("iris", Pick::Alias("prod".into()))),
    ] {
        assert_eq!(ModelUri::parse(uri).expect(uri), expected);
    }
    for uri in [
        "iris",
        "models:/",
        "models:iris",
        "models:/a/b/c",
        "models:/iris/",
        "models:/iris@",
        "models://host/iris",
    ] {
        ModelUri::parse(uri).expect_err(uri);
    }
}

#[test]
fn a_source_must_match_the_operators_pattern() {
    let pattern = regex::Regex::new("^mlflow-artifacts:/").expect("a pattern");
    source::check_pattern(Some(&pattern), "mlflow-artifacts:/0/r1/artifacts").expect("it matches");
    let refused = source::check_pattern(Some(&pattern), "s3://path/to/model").expect_err("it does not");
    assert_eq!(refused.message, "Invalid model version source: 's3://path/to/model'.");
    source::check_pattern(None, "s3://path/to/model").expect("no pattern, no rule");
}

#[tokio::test]
async fn an_imported_alias_follows_its_source_until_it_is_moved_here() {
    let home = home();
    let version = |version| VersionRecord { version, source: "s3://b/m".into(), ..VersionRecord::default() };
    let record = |aliases: &[(&str, u32)]| ModelRecord {
        name: "iris".into(),
        versions: (1..=3).map(version).collect(),
        aliases: aliases
            .iter()
            .map(|(alias, version)| Alias { alias: (*alias).into(), version: *version })
            .collect(),
        ..ModelRecord::default()
    };
    let at = async |alias: &str| {
        home.registry.version_by_alias("iris", alias).await.ok().map(|found| found.version)
    };
    home.registry
        .import(record(&[("moved", 1), ("gone", 1), ("ours", 1), ("kept", 1)]))
        .await
        .expect("it is new");
    home.registry.alias_set("iris", "ours", 3).await.expect("it moves");
    home.registry.alias_set("iris", "kept", 3).await.expect("it moves");
    home.registry.alias_set("iris", "added", 3).await.expect("it is made");
    home.registry.import(record(&[("moved", 2), ("ours", 2)])).await.expect("it catches up");
    assert_eq!((at("moved").await, at("gone").await), (Some(2), None));
    assert_eq!((at("ours").await, at("kept").await, at("added").await), (Some(3), Some(3), Some(3)));
    // What was deleted here and is there still comes back.
    home.registry.alias_delete("iris", "moved").await.expect("it goes");
    home.registry.import(record(&[("moved", 2)])).await.expect("it is taken in");
    assert_eq!(at("moved").await, Some(2));
}
