// Home: what runs, what failed, what to do next, and where everything is.
import * as api from "../lib/crannog";
import { bytes, duration, millis, plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import * as store from "../lib/objects";
import { path } from "../lib/router";
import { useLoad } from "../lib/use";
import { Card, Copy, Empty, Page, Problem, Skeleton, Time } from "../parts/basics";
import { type Addresses, UseFromCode } from "../parts/code";
import { Icon, type IconName } from "../parts/icon";
import { Marks, Status } from "../parts/status";

interface House { experiments: ml.Experiment[]; runs: ml.Run[]; models: ml.RegisteredModel[]; pipelines: api.Pipeline[]; endpoints: api.Endpoint[]; buckets: store.Bucket[] }

async function house(): Promise<House> {
  const [found, models, pipelines, endpoints, buckets] = await Promise.all([ml.experiments(), ml.models(), api.pipelines(), api.endpoints(), store.buckets()]);
  const ids = found.experiments.slice(0, 50).map((experiment) => experiment.experiment_id);
  const runs = ids.length ? (await ml.runs({ ids, max: 8, order: "attributes.start_time DESC" })).runs : [];
  return { experiments: found.experiments, runs, models, pipelines, endpoints, buckets };
}

export function HomeScreen() {
  const all = useLoad(house, [], 10_000);
  const status = useLoad(api.status, [], 10_000);
  const backups = useLoad(api.backups, [], 60_000);
  return (
    <Page title="Home" actions={<UseFromCode snippets={snippets} />}>
      {all.error && <Problem error={all.error} retry={all.reload} />}
      {!all.data && !all.error && <Card><Skeleton rows={8} /></Card>}
      {all.data && <Overview house={all.data} status={status.data} backups={backups.data} />}
    </Page>
  );
}

interface Known { house: House; status: api.Status | undefined; backups: api.Backups | undefined }

function Overview({ house, status, backups }: Known) {
  const trouble = troubles({ house, status, backups });
  const active = house.pipelines.flatMap((p) => p.recent_runs.filter((r) => r.state === "running" || r.state === "queued").map((run) => ({ ...run, pipeline: p.name })));
  const fresh = house.runs.length === 0 && house.pipelines.length === 0 && house.models.length === 0;
  return (
    <>
      <div class="tiles">
        <Tile href="/experiments" icon="flask" n={house.experiments.length} label="experiment" />
        <Tile href="/models" icon="cube" n={house.models.length} label="model" />
        <Tile href="/pipelines" icon="flow" n={house.pipelines.length} label="pipeline" note={active.length ? `${active.length} running` : undefined} />
        <Tile href="/endpoints" icon="bolt" n={house.endpoints.length} label="endpoint" note={house.endpoints.length ? `${house.endpoints.filter((e) => e.state === "ready").length} ready` : undefined} />
        <Tile href="/data" icon="data" n={house.buckets.length} label="bucket" note={house.buckets.length ? bytes(house.buckets.reduce((sum, b) => sum + b.bytes, 0)) : undefined} />
      </div>
      {fresh && <FirstSteps />}
      <div class="home">
        <div class="stack">
          <Card title="Needs attention" flush>
            {trouble.length === 0 ? <Empty kind="done" title="Nothing is failing" /> : (
              <ul class="rows">{trouble.map((t) => <li key={t.href + t.what}><Status state={t.state} /><a href={t.href}>{t.what}</a><span class="muted grow cut">{t.why}</span></li>)}</ul>
            )}
          </Card>
          {!fresh && (
            <Card title="Recent runs" flush actions={<a class="btn small" href="/experiments">All experiments</a>}>
              {house.runs.length === 0 ? <Empty kind="start" title="No run yet"><p>Log one from Python; it appears here at once.</p></Empty> : (
                <ul class="rows">{house.runs.map((run) => <RunRow key={run.info.run_id} run={run} experiments={house.experiments} />)}</ul>
              )}
            </Card>
          )}
          {house.pipelines.length > 0 && (
            <Card title="Pipelines" flush>
              <ul class="rows">
                {house.pipelines.slice(0, 8).map((p) => (
                  <li key={p.name}><a href={path("pipelines", p.name)}>{p.name}</a><span class="muted grow cut">{p.paused ? "paused" : p.next_run_at ? <>next <Time at={p.next_run_at} /></> : "on demand"}</span><Marks runs={p.recent_runs.slice(0, 10)} /></li>
                ))}
              </ul>
            </Card>
          )}
        </div>
        <div class="stack">
          <Addresses status={status} />
          {house.endpoints.length > 0 && (
            <Card title="Endpoints" flush>
              <ul class="rows">{house.endpoints.map((e) => <li key={e.name}><Status state={e.state} /><a class="grow cut" href={path("endpoints", e.name)}>{e.name}</a><span class="muted">{plural(e.requests, "request")}</span></li>)}</ul>
            </Card>
          )}
          {status && <Server status={status} />}
        </div>
      </div>
    </>
  );
}

function Tile({ href, icon, n, label, note }: { href: string; icon: IconName; n: number; label: string; note?: string }) {
  return <a class="tile" href={href}><Icon name={icon} size={18} /><b>{n}</b><span>{n === 1 ? label : `${label}s`}</span>{note && <small>{note}</small>}</a>;
}

function RunRow({ run, experiments }: { run: ml.Run; experiments: ml.Experiment[] }) {
  const { info } = run;
  const start = millis(info.start_time);
  const end = millis(info.end_time);
  return (
    <li>
      <Status state={info.status} />
      <a href={path("runs", info.run_id)}>{info.run_name || info.run_id}</a>
      <span class="muted grow cut">{experiments.find((e) => e.experiment_id === info.experiment_id)?.name}</span>
      <span class="muted">{start !== null && end !== null ? duration(end - start) : ""}</span>
      <span class="muted when"><Time at={info.start_time} /></span>
    </li>
  );
}

function Addresses({ status }: { status: api.Status | undefined }) {
  const env = useLoad(api.clientEnv, []);
  const rows: [string, string | undefined][] = [["HTTP", env.data?.tracking_uri ?? status?.http_url], ["S3", env.data?.s3_endpoint ?? status?.s3_url]];
  return (
    <Card title="Addresses" flush>
      <ul class="rows addresses">{rows.map(([what, url]) => <li key={what}><span class="muted">{what}</span><span class="grow" /><code>{url ?? "…"}</code>{url && <Copy text={url} label={`Copy the ${what} address`} />}</li>)}</ul>
    </Card>
  );
}

function Server({ status }: { status: api.Status }) {
  const bad = status.checks.filter((check) => !check.ok);
  return (
    <Card title="Server" flush actions={<Status state={bad.length ? "failed" : "ok"} />}>
      <ul class="rows">
        <li><span class="muted grow">Version</span>{status.version}</li>
        <li><span class="muted grow">Up for</span>{duration(status.uptime_s * 1000)}</li>
        <li><span class="muted grow">Memory</span>{bytes(status.rss_bytes)}</li>
        <li><span class="muted">Data</span><code class="grow cut right" title={status.data_dir}>{status.data_dir}</code></li>
      </ul>
    </Card>
  );
}

function troubles({ house, status, backups }: Known) {
  const list: { state: string; what: string; why: string; href: string }[] = [];
  for (const check of status?.checks ?? []) if (!check.ok) list.push({ state: "failed", what: check.name, why: check.detail ?? "", href: "/settings/server" });
  if (backups?.last?.error) list.push({ state: "failed", what: "backup", why: backups.last.error, href: "/settings/server" });
  for (const e of house.endpoints) if (e.state === "failed" || e.state === "no_model") list.push({ state: e.state, what: e.name, why: e.error ?? e.model, href: path("endpoints", e.name) });
  for (const p of house.pipelines) {
    if (p.error) list.push({ state: "broken", what: p.name, why: p.error, href: path("pipelines", p.name) });
    const last = p.recent_runs[0];
    if (last?.state === "failed") list.push({ state: "failed", what: p.name, why: "its last run failed", href: path("pipeline-runs", last.id) });
  }
  for (const run of house.runs) if (run.info.status === "FAILED") list.push({ state: "FAILED", what: run.info.run_name || run.info.run_id, why: "experiment run", href: path("runs", run.info.run_id) });
  return list.slice(0, 10);
}

function FirstSteps() {
  const steps: [string, IconName, string, string][] = [
    ["Put data in", "data", "/data", "Make a bucket and drop files into it, or point boto3 here."],
    ["Log a run", "flask", "/experiments", "Set MLFLOW_TRACKING_URI and use mlflow as you do now."],
    ["Schedule work", "flow", "/pipelines", "Write a DAG in YAML, run it now or by the clock."],
    ["Serve a model", "bolt", "/endpoints", "Point an endpoint at an alias; move the alias to switch models."],
  ];
  return <div class="first-steps">{steps.map(([title, icon, href, text], i) => <a class="step" key={title} href={href}><span class="step-n">{i + 1}</span><b><Icon name={icon} />{title}</b><p>{text}</p></a>)}</div>;
}

const snippets = (at: Addresses) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmlflow.set_experiment("first")\n\nwith mlflow.start_run():\n    mlflow.log_param("alpha", 0.5)\n    mlflow.log_metric("auc", 0.91)` },
  { label: "S3", code: `import boto3\n\ns3 = boto3.client("s3", endpoint_url="${at.s3}", region_name="${at.region}")\ns3.create_bucket(Bucket="datasets")\ns3.upload_file("flights.csv", "datasets", "flights.csv")` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  ${at.http}/api/crannog/v1/status` },
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog status` },
];
