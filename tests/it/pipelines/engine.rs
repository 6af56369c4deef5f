//! The service with real tasks: order, retries, cancel, logs, adoption by a second server.

use crannog::{
    kernel::{error::Result, event::Bus, tasks::Tasks},
    pipelines::{
        Config, RunView, Service, TaskEnvironment,
        model::{Run, RunState, TaskInstance},
    },
    store::Stores,
};
use futures::future::BoxFuture;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Long, since a busy machine is slow, and never waited out in full.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pipelines by name, with what is wrong with each.
type Errors = BTreeMap<String, Option<String>>;

/// Hands out a token that names its run, and notes what was revoked.
#[derive(Default)]
struct Keys(Mutex<Vec<String>>);

impl TaskEnvironment for Keys {
    fn issue<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<Vec<(String, String)>>> {
        Box::pin(async move { Ok(vec![("CRANNOG_TOKEN".to_owned(), format!("token of {run_id}"))]) })
    }

    fn revoke<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<()>> {
        self.0.lock().expect("no test panics while it holds this").push(run_id.to_owned());
        Box::pin(async { Ok(()) })
    }
}

/// A service that runs, on a data directory of its own or of one before it.
struct House {
    service: Service,
    tasks: Tasks,
    keys: Arc<Keys>,
}

impl House {
    fn open(data: &Path, config: Config) -> Self {
        let (tasks, keys) = (Tasks::default(), Arc::new(Keys::default()));
        let stores = Stores::open(data).expect("the stores open");
        let config = Config {
            supervisor: env!("CARGO_BIN_EXE_crannog").into(),
            grace: Duration::from_secs(2),
            ..config
        };
        let service =
            Service::new(&stores, Bus::new(), Arc::clone(&keys) as _, config).expect("the service opens");
        service.start(&tasks);
        Self { service, tasks, keys }
    }

    /// Lets go of everything, as the end of a server does; tasks go on.
    async fn close(self) {
        let late = self.tasks.shutdown(PATIENCE).await;
        assert!(late.is_empty(), "late: {late:?}");
    }

    async fn begin(&self, yaml: &str) -> Run {
        let name = yaml.lines().next().and_then(|line| line.strip_prefix("name: ")).expect("a name first");
        self.service.put(name, yaml.to_owned()).await.expect("the definition is sound");
        self.service.trigger(name, BTreeMap::new()).await.expect("the run begins").run
    }

    async fn until(
        &self,
        run: &str,
        what: &str,
        holds: impl Fn(&Run, &[TaskInstance]) -> bool,
    ) -> (Run, Vec<TaskInstance>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let RunView { run: found, tasks, .. } = self.service.run(run).await.expect("the run is there");
            if holds(&found, &tasks) {
                return (found, tasks);
            }
            assert!(Instant::now() < deadline, "never came: {what}: {found:?} {tasks:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn finished(&self, run: &str) -> (Run, Vec<TaskInstance>) {
        self.until(run, "the run is over", |run, _| run.state.is_over()).await
    }

    async fn log(&self, run: &str, task: &str) -> String {
        let place = self.service.log(run, task, None).await.expect("there is a log");
        fs_err::read_to_string(place.path).unwrap_or_default()
    }
}

fn states(tasks: &[TaskInstance]) -> Vec<&'static str> {
    tasks.iter().map(|task| task.state.as_str()).collect()
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_run_in_order_with_their_environment_and_the_keys_are_revoked() {
    let data = scratch();
    let house = House::open(data.path(), Config::default());
    let run = house
        .begin(
            "name: order\nparams: {epochs: 5}\ntasks:\n  - {id: late, needs: [early], run: 'echo {{ params.epochs }} $CRANNOG_PARAM_EPOCHS $CRANNOG_TASK_ID; echo $CRANNOG_TOKEN'}\n  - {id: early, run: 'echo $WHO', env: {WHO: 'I am {{ task_id }}'}}\n",
        )
        .await;
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!((ended.state, states(&tasks)), (RunState::Success, vec!["success", "success"]));
    assert!(tasks[0].started_at >= tasks[1].ended_at);
    assert_eq!(house.log(&run.id, "late").await, format!("5 5 late\ntoken of {}\n", run.id));
    assert_eq!(house.log(&run.id, "early").await, "I am early\n");
    let deadline = Instant::now() + PATIENCE;
    while house.keys.0.lock().expect("unpoisoned").is_empty() {
        assert!(Instant::now() < deadline, "the keys were never revoked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_task_is_retried_and_then_stops_what_needs_it() {
    let data = scratch();
    let house = House::open(data.path(), Config::default());
    let counter = data.path().join("count");
    let run = house
        .begin(&format!(
            "name: retry\ntasks:\n  - {{id: flaky, run: 'echo x >> {0}; test $(wc -l < {0}) -ge 2', retries: 3, retry_delay: 10ms}}\n  - {{id: bad, run: exit 9, retries: 1, retry_delay: 0}}\n  - {{id: after, needs: [bad], run: 'true'}}\n",
            counter.display()
        ))
        .await;
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!(ended.state, RunState::Failed);
    assert_eq!(states(&tasks), ["success", "failed", "upstream_failed"]);
    assert_eq!((tasks[0].attempt, tasks[1].attempt, tasks[2].attempt), (2, 2, 0));
    assert_eq!((tasks[1].exit_code, tasks[1].reason.as_deref()), (Some(9), Some("exit code 9")));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_running_tasks_and_starts_no_more() {
    let data = scratch();
    let house = House::open(data.path(), Config::default());
    let run = house
        .begin("name: stop\ntasks:\n  - {id: long, run: 'echo up; sleep 1000', retries: 5}\n  - {id: next, needs: [long], run: 'true'}\n")
        .await;
    house.until(&run.id, "it runs", |_, tasks| tasks[0].state.as_str() == "running").await;
    house.service.cancel(&run.id).await.expect("cancels");
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!((ended.state, states(&tasks)), (RunState::Cancelled, vec!["cancelled", "cancelled"]));
    assert!(house.service.cancel(&run.id).await.is_err(), "what is over cannot be cancelled");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_adopts_running_tasks_and_runs_nothing_twice() {
    let data = scratch();
    let (go, ran) = (data.path().join("go"), data.path().join("ran"));
    let house = House::open(data.path(), Config::default());
    let run = house
        .begin(&format!(
            "name: adopt\ntasks:\n  - {{id: a, run: 'echo a >> {1}; while ! test -e {0}; do sleep 0.02; done'}}\n  - {{id: b, needs: [a], run: 'echo b >> {1}'}}\n",
            go.display(),
            ran.display()
        ))
        .await;
    house.until(&run.id, "it runs", |_, _| ran.exists()).await;
    house.close().await;
    let house = House::open(data.path(), Config::default());
    let tasks = house.service.run(&run.id).await.expect("the run is there").tasks;
    assert_eq!(states(&tasks), ["running", "waiting"]);
    fs_err::write(&go, "").expect("lets it go");
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!((ended.state, tasks[0].attempt), (RunState::Success, 1));
    assert_eq!(fs_err::read_to_string(&ran).expect("they ran"), "a\nb\n");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_ended_while_no_server_ran_is_taken_in() {
    let data = scratch();
    let (go, done) = (data.path().join("go"), data.path().join("done"));
    let house = House::open(data.path(), Config::default());
    let script = format!(
        "touch {0}.up; while ! test -e {0}; do sleep 0.02; done; touch {1}",
        go.display(),
        done.display()
    );
    let run = house.begin(&format!("name: gone\ntasks:\n  - {{id: a, run: '{script}; exit 4'}}\n")).await;
    house.until(&run.id, "it runs", |_, _| data.path().join("go.up").exists()).await;
    house.close().await;
    fs_err::write(&go, "").expect("lets it go");
    let record = data.path().join("tasks").join(&run.id).join("a/1/exit.json");
    let deadline = Instant::now() + PATIENCE;
    while !record.exists() {
        assert!(Instant::now() < deadline, "the supervisor left no record");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let house = House::open(data.path(), Config::default());
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!((ended.state, tasks[0].exit_code, tasks[0].attempt), (RunState::Failed, Some(4), 1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_means_lost_and_its_task_is_ended_before_the_retry() {
    let data = scratch();
    let pids = data.path().join("pids");
    let house = House::open(data.path(), Config::default());
    let run = house
        .begin(&format!(
            "name: lost\ntasks:\n  - {{id: a, retries: 1, retry_delay: 0, run: 'echo $$ >> {0}; test $(wc -l < {0}) -ge 2 || sleep 1000'}}\n",
            pids.display()
        ))
        .await;
    // Without the note of the command's process nothing could be proven, and nothing is retried.
    let note = data.path().join("tasks").join(&run.id).join("a/1/child.json");
    let noted = || fs_err::read_to_string(&note).is_ok_and(|text| text.ends_with('}'));
    let wrote = || fs_err::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n'));
    house.until(&run.id, "it runs", |_, _| noted() && wrote()).await;
    let begun =
        fs_err::read(data.path().join("tasks").join(&run.id).join("a/1/begun.json")).expect("it began");
    let begun: serde_json::Value = serde_json::from_slice(&begun).expect("it is JSON");
    let supervisor = begun["supervisor_pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a pid");
    let supervisor = rustix::process::Pid::from_raw(supervisor).expect("a pid");
    rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).expect("kills");
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!((ended.state, tasks[0].attempt), (RunState::Success, 2));
    let first = fs_err::read_to_string(&pids).expect("pids").lines().next().map(str::to_owned).expect("one");
    let state = fs_err::read_to_string(format!("/proc/{first}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z"), "the first attempt still runs: {state}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_tasks_run_at_once_than_there_are_slots() {
    let data = scratch();
    let house = House::open(data.path(), Config { parallelism: 2, ..Config::default() });
    let tasks: String = (0..8).map(|i| format!("  - {{id: t{i}, run: 'sleep 0.05'}}\n")).collect();
    let run = house.begin(&format!("name: slots\ntasks:\n{tasks}")).await;
    let (ended, tasks) = house.finished(&run.id).await;
    assert_eq!(ended.state, RunState::Success);
    let overlap =
        |at: i64| tasks.iter().filter(|task| task.started_at <= Some(at) && task.ended_at > Some(at)).count();
    assert!(tasks.iter().filter_map(|task| task.started_at).all(|at| overlap(at) <= 2));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_file_is_live_a_bad_one_is_its_own_error_and_a_removed_one_is_gone() {
    let (data, dir) = (scratch(), scratch());
    let file = dir.path().join("one.yaml");
    fs_err::write(&file, "name: one\ntasks:\n  - {id: a, run: pwd}\n").expect("writes");
    fs_err::write(dir.path().join("two.yaml"), "name: two\ntasks:\n  - {id: a, run: x, need: []}\n")
        .expect("writes");
    let house = House::open(data.path(), Config { dir: Some(dir.path().to_owned()), ..Config::default() });
    let listed = async |holds: &dyn Fn(&Errors) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let list = house.service.list().await.expect("lists");
            let errors: Errors =
                list.into_iter().map(|one| (one.pipeline.name, one.pipeline.error)).collect();
            if holds(&errors) {
                return;
            }
            assert!(Instant::now() < deadline, "never came: {errors:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let line = |error: &Option<String>| error.as_ref().is_some_and(|error| error.contains("line 3"));
    listed(&|all| all.get("one") == Some(&None) && all.get("two").is_some_and(line)).await;
    let run = house.service.trigger("one", BTreeMap::new()).await.expect("runs").run;
    house.finished(&run.id).await;
    let folder = fs_err::canonicalize(dir.path()).expect("it exists");
    assert_eq!(house.log(&run.id, "a").await.trim(), folder.to_string_lossy());
    assert!(house.service.put("one", "name: one\ntasks:\n  - {id: a, run: x}\n".into()).await.is_err());
    fs_err::write(&file, "name: one\ntasks: [\n").expect("writes");
    listed(&|all| all.get("one").is_some_and(Option::is_some)).await;
    assert!(house.service.trigger("one", BTreeMap::new()).await.is_ok(), "the last good version still runs");
    fs_err::remove_file(&file).expect("removes");
    listed(&|all| !all.contains_key("one")).await;
    assert_eq!(house.service.run(&run.id).await.expect("history stays").run.state, RunState::Success);
    house.close().await;
}
