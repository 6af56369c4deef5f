//! Behaviour of the configuration: layers, refusals, suggestions.

use super::{Inputs, KEYS, OTHER_VARIABLES, Source, load};

fn variable(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

fn with_file(text: &str) -> (tempfile::TempDir, Inputs) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("crannog.toml");
    fs_err::write(&path, text).expect("the file is writable");
    (dir, Inputs { file: Some(path), ..Inputs::default() })
}

#[test]
fn every_default_parses_and_shows_as_something_that_parses_again() {
    let mut config = super::Config::default();
    for key in KEYS {
        (key.set)(&mut config, key.default).unwrap_or_else(|why| panic!("{}: {why}", key.name));
        let shown = (key.show)(&config);
        (key.set)(&mut config, &shown).unwrap_or_else(|why| panic!("{} shown as {shown}: {why}", key.name));
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let (_dir, mut inputs) = with_file(
        "[http]\nlisten = \"127.0.0.1:1\"\n[s3]\nlisten = \"127.0.0.1:2\"\npublic_url = \"http://lake\"\n",
    );
    inputs.environment =
        vec![variable("CRANNOG_HTTP_LISTEN", "127.0.0.1:3"), variable("CRANNOG_S3_LISTEN", "127.0.0.1:4")];
    inputs.flags = vec![variable("http.listen", "127.0.0.1:5")];
    let effective = load(&inputs).expect("all of it is valid");
    assert_eq!(effective.config.http.listen.port(), 5);
    assert_eq!(effective.config.s3.listen.port(), 4);
    assert_eq!(effective.config.s3.public_url.as_deref(), Some("http://lake"));
    assert_eq!(effective.sources["http.listen"], Source::Flag("--http-listen".into()));
    assert_eq!(effective.sources["s3.listen"], Source::Environment("CRANNOG_S3_LISTEN".into()));
    assert!(matches!(effective.sources["s3.public_url"], Source::File { line: 5, .. }));
    assert_eq!(effective.sources["log.level"], Source::Default);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    let (_dir, inputs) = with_file("[http]\nlisten = \"127.0.0.1:0\"\nalow_plaintext = true\n");
    let issues = load(&inputs).expect_err("the key does not exist");
    assert!(
        issues[0].message.contains("http.alow_plaintext") && issues[0].message.contains("crannog.toml:3")
    );
    assert_eq!(issues[0].hint.as_deref(), Some("did you mean `http.allow_plaintext`?"));
}

#[test]
fn an_unknown_variable_is_refused_and_the_clients_own_are_known() {
    let inputs = Inputs {
        environment: vec![variable("CRANNOG_HTTP_LISTN", "x"), variable("CRANNOG_URL", "http://127.0.0.1:1")],
        ..Inputs::default()
    };
    let issues = load(&inputs).expect_err("one of them does not exist");
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].hint.as_deref(), Some("did you mean `CRANNOG_HTTP_LISTEN`?"));
}

#[test]
fn all_issues_are_told_at_once_with_the_value_and_the_kind() {
    let inputs = Inputs {
        flags: vec![variable("http.listen", "everywhere"), variable("server.stop_deadline", "10 parsecs")],
        ..Inputs::default()
    };
    let issues = load(&inputs).expect_err("both are wrong");
    assert_eq!(issues.len(), 2);
    assert!(issues[0].message.contains("\"everywhere\"") && issues[0].message.contains("--http-listen"));
    assert!(issues[1].hint.as_deref().is_some_and(|hint| hint.contains("10s")));
}

#[test]
fn listening_beyond_the_machine_is_tls_unless_the_operator_says_otherwise() {
    let speaks_tls = |flags: &[(&str, &str)]| {
        let flags = flags.iter().map(|(name, value)| variable(name, value)).collect();
        let effective = load(&Inputs { flags, ..Inputs::default() });
        effective.map(|effective| effective.config.speaks_tls()).map_err(|issues| issues[0].message.clone())
    };
    assert_eq!(speaks_tls(&[]), Ok(false));
    assert_eq!(speaks_tls(&[("s3.listen", "0.0.0.0:9000")]), Ok(true));
    assert_eq!(speaks_tls(&[("http.listen", "[::]:5000")]), Ok(true));
    let allowed = ("http.allow_plaintext", "true");
    assert_eq!(speaks_tls(&[("s3.listen", "0.0.0.0:9000"), allowed]), Ok(false));
    assert_eq!(speaks_tls(&[("tls.loopback", "true"), allowed]), Ok(true));
    assert_eq!(speaks_tls(&[("tls.certificate", "a.pem"), ("tls.key", "k.pem"), allowed]), Ok(true));
    let half = speaks_tls(&[("tls.certificate", "a.pem")]).expect_err("half of a pair");
    assert!(half.contains("tls.key"), "{half}");
}

#[test]
fn the_reference_page_is_in_step_with_the_key_table() {
    let page = include_str!("../../../docs/configuration.md");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in KEYS {
        let start = page.find(&format!("### `{}`\n", key.name));
        let section = &page[start.unwrap_or_else(|| panic!("{} is not on the page", key.name))..];
        let section = section[4..].split("\n#").next().unwrap_or_default();
        assert!(words(section).contains(&words(key.doc)), "{}: the page says something else", key.name);
        let named = [key.variable(), key.flag(), key.default.to_owned()];
        assert!(named.iter().all(|text| section.contains(text.as_str())), "{}: {named:?}", key.name);
    }
    assert_eq!(page.matches("\n### `").count(), KEYS.len(), "the page has a key that does not exist");
    assert!(OTHER_VARIABLES.iter().all(|(name, _)| page.contains(&format!("| `{name}` |"))));
}
