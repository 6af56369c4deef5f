//! `crannog serve` as an operator meets it: first start, refusals, crash, stop; and the commands
//! around it.

use super::support::{TestServer, command, run, stderr, stdout};
use serde_json::{Value, json};
use std::{os::unix::fs::PermissionsExt, time::Duration};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn a_second_server_is_refused_and_told_who_holds_the_directory() {
    let folder = folder();
    let first = TestServer::start(folder.path()).await;
    let second = run(
        folder.path(),
        &["serve", "--data-dir", "data", "--http-listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"],
    );
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains(&first.pid().to_string()) && said.contains(&first.http), "{said}");
    assert_eq!(first.get("/api/crannog/v1/status").await["pid"], first.pid());
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion_and_nothing_is_made() {
    let folder = folder();
    fs_err::write(folder.path().join("crannog.toml"), "[http]\nlisten = \"127.0.0.1:0\"\nlisen = 1\n")
        .expect("written");
    let output = run(folder.path(), &["serve", "--data-dir", "data"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("http.lisen")
            && said.contains("crannog.toml:3")
            && said.contains("did you mean `http.listen`?"),
        "{said}"
    );
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_certificate_that_is_none_is_told_at_the_start() {
    let folder = folder();
    fs_err::write(folder.path().join("c.pem"), "nothing of the kind").expect("written");
    let arguments =
        ["serve", "--data-dir", "data", "--http-listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"];
    let output =
        run(folder.path(), &[&arguments[..], &["--tls-certificate", "c.pem", "--tls-key", "c.pem"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("c.pem holds no certificate"), "{}", stderr(&output));
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = run(folder.path(), &["serve", "--data-dir", "data", "--http-listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&address) && said.contains("http.listen") && said.contains("another process"),
        "{said}"
    );
}

#[tokio::test]
async fn nothing_answers_without_a_credential_but_health_and_the_login_page() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    for path in ["/livez", "/readyz", "/readyz?verbose", "/login"] {
        let answer = server.anonymous("GET", path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
    }
    let api = [
        "/api/crannog/v1/status",
        "/api/crannog/v1/client-env",
        "/api/crannog/v1/pipelines",
        "/api/crannog/v1/buckets",
        "/api/crannog/v1/endpoints",
        "/api/2.0/mlflow/experiments/get?experiment_id=0",
        "/v2/health/ready",
        "/no/such/path",
    ];
    for path in api {
        let anonymous = server.anonymous("GET", path).send().await.expect("an answer");
        assert_eq!(anonymous.status(), 401, "{path}");
        let wrong =
            server.anonymous("GET", path).basic_auth("admin", Some("wrong")).send().await.expect("an answer");
        assert_eq!(wrong.status(), 401, "{path}");
    }
    let nowhere = server.request("GET", "/no/such/path").send().await.expect("an answer");
    assert_eq!(nowhere.status(), 404);
    let unsigned = crannog::kernel::tls::Trust::plain()
        .expect("a builder")
        .build()
        .expect("a client")
        .get(&server.s3)
        .send()
        .await;
    assert_eq!(unsigned.expect("an answer").status(), 403);
}

#[tokio::test]
async fn readiness_names_each_part_and_the_status_agrees() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    let text = server
        .anonymous("GET", "/readyz?verbose")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    for part in ["[+] server:", "[+] disk:", "[+] control.db:", "[+] objects.db:", "ready"] {
        assert!(text.contains(part), "{text}");
    }
    let status = server.get("/api/crannog/v1/status").await;
    assert_eq!((&status["http_url"], &status["s3_url"]), (&json!(server.http), &json!(server.s3)));
    assert!(status["rss_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
    assert!(status["checks"].as_array().is_some_and(|checks| checks.iter().all(|check| check["ok"] == true)));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_kill_9() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    let user = json!({ "name": "ada", "password": "a long enough password", "role": "editor" });
    let made = server.request("POST", "/api/crannog/v1/users").json(&user).send().await.expect("an answer");
    assert_eq!(made.status(), 201);
    let object =
        server.request("PUT", "/api/crannog/v1/buckets/mlflow/objects/kept.txt").body("kept").send().await;
    assert!(object.expect("an answer").status().is_success());
    let password = server.admin.password.clone();
    server.kill9();

    let server = TestServer::start(folder.path()).await;
    assert_eq!(server.admin.password, password, "a second start makes no new credentials");
    let users = server.get("/api/crannog/v1/users").await;
    assert!(
        users["users"].as_array().is_some_and(|users| users.iter().any(|user| user["name"] == "ada")),
        "{users}"
    );
    let body = server.request("GET", "/api/crannog/v1/buckets/mlflow/objects/kept.txt").send().await;
    assert_eq!(body.expect("an answer").text().await.expect("text"), "kept");
    println!("ready after {:?} on a directory left by kill -9", server.ready_after);
    assert!(server.ready_after < Duration::from_secs(10));
}

#[tokio::test]
async fn a_signal_stops_it_cleanly_and_the_directory_is_free_again() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    println!("first start: ready after {:?}", server.ready_after);
    assert!(server.stop().success());
    let output = run(folder.path(), &["env", "--data-dir", "data"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(TestServer::start(folder.path()).await.stop().success());
}

#[tokio::test]
async fn the_first_start_shows_the_credentials_once_and_keeps_them_private() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    let mode = fs_err::metadata(folder.path().join("data/secrets/admin.toml"))
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let password = server.admin.password.clone();
    server.stop();
    // Read after its end: the server answers a moment before it greets the person at the terminal.
    let said = fs_err::read_to_string(folder.path().join("server.log")).expect("its log");
    assert_eq!(said.matches(&password).count(), 1);
    let again = TestServer::start(folder.path()).await;
    assert_eq!(again.log().matches(&password).count(), 1);
}

#[tokio::test]
async fn a_password_given_from_outside_is_taken_and_never_shown() {
    let folder = folder();
    let given = "given by the orchestrator";
    let server = TestServer::start_with(folder.path(), &[("CRANNOG_ADMIN_PASSWORD", given)]).await;
    assert_eq!(server.admin.password, given);
    assert!(!server.log().contains(given));
    assert_eq!(server.get("/api/crannog/v1/me").await["role"], "admin");
}

#[tokio::test]
async fn env_points_a_shell_at_the_server() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    let output = run(folder.path(), &["--data-dir", "data", "env", "--json"]);
    let env: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(env["MLFLOW_TRACKING_URI"], server.http);
    assert_eq!(env["AWS_ENDPOINT_URL"], server.s3);
    assert_eq!(env["MLFLOW_TRACKING_PASSWORD"], server.admin.password);
    let exports = stdout(&run(folder.path(), &["env", "--data-dir", "data"]));
    assert_eq!(exports.lines().filter(|line| line.starts_with("export ")).count(), 9);
    let status = run(folder.path(), &["status", "--json", "--data-dir", "data"]);
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["pid"], server.pid());
}

#[tokio::test]
async fn a_client_command_says_by_its_exit_code_why_it_failed() {
    let folder = folder();
    let nobody = run(folder.path(), &["status", "--data-dir", "data"]);
    assert_eq!(nobody.status.code(), Some(3), "{}", stderr(&nobody));
    let server = TestServer::start(folder.path()).await;
    let refused = command(folder.path(), &["status"])
        .env("CRANNOG_URL", &server.http)
        .env("CRANNOG_TOKEN", "crn_wrong")
        .output()
        .expect("the binary runs");
    assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
    assert_eq!(run(folder.path(), &["stauts"]).status.code(), Some(2));
}

#[tokio::test]
async fn a_signed_request_on_the_main_door_reaches_the_s3_service() {
    let folder = folder();
    let server = TestServer::start(folder.path()).await;
    let signature = "AWS4-HMAC-SHA256 Credential=NOBODY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let answer =
        server.anonymous("GET", "/").header("authorization", signature).send().await.expect("an answer");
    assert!(answer.status().is_client_error());
    let body = answer.text().await.expect("text");
    assert!(body.contains("<Error>"), "{body}");
}

#[test]
fn config_show_tells_each_value_and_its_source() {
    let folder = folder();
    fs_err::write(folder.path().join("crannog.toml"), "[log]\nlevel = \"warn\"\nformat = \"json\"\n")
        .expect("written");
    let output = command(folder.path(), &["config", "show", "--json", "--http-listen", "127.0.0.1:1"])
        .envs([("CRANNOG_HTTP_LISTEN", "127.0.0.1:2"), ("CRANNOG_LOG_FORMAT", "text")])
        .output()
        .expect("the binary runs");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |key: &str| {
        let keys = shown["keys"].as_array().expect("a list");
        let found = keys.iter().find(|one| one["key"] == key).expect("every key is shown");
        (
            found["value"].as_str().expect("text").to_owned(),
            found["source"].as_str().expect("text").to_owned(),
        )
    };
    assert_eq!(of("http.listen"), ("127.0.0.1:1".into(), "flag --http-listen".into()));
    assert_eq!(of("log.format"), ("text".into(), "environment CRANNOG_LOG_FORMAT".into()));
    assert_eq!(of("log.level"), ("warn".into(), "crannog.toml:2".into()));
    assert_eq!(of("s3.listen"), ("127.0.0.1:9000".into(), "default".into()));
    let check = run(folder.path(), &["config", "check"]);
    assert!(check.status.success() && stderr(&check).contains("crannog.toml"));
}

#[test]
fn the_image_of_a_binary_that_would_not_start_in_it_is_refused() {
    let folder = folder();
    let output = run(folder.path(), &["image", "--out", "crannog.tar"]);
    if output.status.success() {
        // This build is static: then there is an image.
        assert!(folder.path().join("crannog.tar").exists());
    } else {
        assert!(stderr(&output).contains("crt-static"), "{}", stderr(&output));
        assert!(!folder.path().join("crannog.tar").exists());
    }
}
