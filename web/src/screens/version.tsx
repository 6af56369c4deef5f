// One version of a model: where it came from, which aliases name it, and who serves it.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { number } from "../lib/format";
import * as measured from "../lib/measured";
import * as ml from "../lib/mlflow";
import { go, path } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Facts, Id, Page, Problem, Skeleton, Tags, Time } from "../parts/basics";
import { type Addresses, UseFromCode } from "../parts/code";
import { Graph } from "../parts/graph";
import { Icon } from "../parts/icon";
import { Markdown } from "../parts/markdown";
import { Status } from "../parts/status";
import { lineage } from "./lineage";
import { DeleteVersion, EditVersion, SetAlias, VersionTags } from "./model-dialogs";
import { files } from "./run-models";
import { Serving } from "./version-serving";

export function VersionScreen({ name, version: v }: { name: string; version: string }) {
  const { edit } = useMay();
  const [dialog, setDialog] = useState<"alias" | "about" | "tags" | "delete">();
  const loaded = useLoad(() => ml.version(name, v), [name, v], 5_000);
  const model = useLoad(() => ml.model(name), [name], 5_000);
  const served = useLoad(() => api.endpoints(), [], 5_000);
  const serving = useLoad(() => api.versionServing(name, v), [name, v], 10_000);
  const version = loaded.data;
  const run = useLoad(async () => (version?.run_id ? ml.run(version.run_id) : undefined), [version?.run_id]);
  const logged = useLoad(async () => (version?.model_id ? ml.loggedModel(version.model_id) : undefined), [version?.model_id]);
  const aliases = (model.data?.aliases ?? []).filter((one) => one.version === v).map((one) => one.alias);
  const title = `${name} version ${v}`;
  const crumbs = [{ label: "Models", href: "/models" }, { label: name, href: path("models", name) }];
  const reload = () => { loaded.reload(); model.reload(); served.reload(); };
  const close = () => setDialog(undefined);
  if (!version) return <Page title={title} crumbs={crumbs}>{loaded.error ? <Problem error={loaded.error} retry={loaded.reload} /> : <Card><Skeleton rows={8} /></Card>}</Page>;
  const endpoints = (served.data ?? []).filter((one) => one.model === `models:/${name}/${v}` || aliases.some((alias) => one.model === `models:/${name}@${alias}`));
  const folder = files(logged.data?.info.artifact_uri);
  const graph = lineage({ version, run: run.data, logged: logged.data?.info, aliases, endpoints });
  const followers = (alias: string) => (served.data ?? []).filter((one) => one.model === `models:/${name}@${alias}`);
  return (
    <Page
      title={title} heading={<>Version {v}<Status state={version.status ?? "READY"} note={version.status_message} />{aliases.map((alias) => <span key={alias} class="alias big">@{alias}</span>)}</>} crumbs={crumbs}
      lead={version.description ? <Markdown text={version.description} /> : undefined}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, name, v)} />
        {folder && <a class="btn" href={folder}><Icon name="folder" />Files</a>}
        {edit && <button type="button" class="btn" onClick={() => setDialog("alias")}><Icon name="tag" />Set an alias</button>}
        {edit && <button type="button" class="btn" onClick={() => setDialog("about")}><Icon name="edit" />Describe</button>}
        {edit && <button type="button" class="btn quiet-danger" onClick={() => setDialog("delete")}><Icon name="trash" />Delete</button>}
      </>}
    >
      <Card title="Lineage">
        {run.error && <p class="muted">The run it came from is not there any more.</p>}
        <Graph nodes={graph.nodes} selected="version" href={(id) => graph.hrefs.get(id)} label="Lineage" />
      </Card>
      <Card>
        <Facts items={[
          ["Created", <Time at={version.creation_timestamp} />],
          ["Changed", <Time at={version.last_updated_timestamp} />],
          version.run_id ? ["Run", <a href={path("runs", version.run_id)}>{run.data?.info.run_name || <code>{version.run_id.slice(0, 8)}</code>}</a>] : null,
          version.model_id ? ["Logged model", <Id id={version.model_id} />] : null,
          version.source ? ["Source", <code>{version.source}</code>] : null,
          version.user_id ? ["User", version.user_id] : null,
          version.current_stage && version.current_stage !== "None" ? ["Stage", version.current_stage] : null,
          ["Tags", <span class="with-edit"><Tags tags={ml.userTags(version.tags)} />{edit && <button type="button" class="icon-btn" aria-label="Edit the tags" onClick={() => setDialog("tags")}><Icon name="edit" size={14} /></button>}</span>],
        ]} />
      </Card>
      {serving.data && <Serving about={serving.data} />}
      {serving.error && <Problem error={serving.error} retry={serving.reload} />}
      <div class="two">
        <Values title="Metrics" rows={measured.metrics(logged.data?.data?.metrics, run.data?.data.metrics, number)} />
        <Values title="Params" rows={measured.params(logged.data?.data?.params, run.data?.data.params)} />
      </div>
      {dialog === "alias" && <SetAlias name={name} from={v} versions={[version]} aliases={model.data?.aliases ?? []} followers={followers} close={close} after={reload} />}
      {dialog === "about" && <EditVersion version={version} close={close} after={reload} />}
      {dialog === "tags" && <VersionTags version={version} close={close} after={reload} />}
      {dialog === "delete" && <DeleteVersion version={{ ...version, aliases }} close={close} after={() => go(path("models", name))} />}
    </Page>
  );
}

/** What the model says of itself, and, where its run says otherwise, that too. */
function Values({ title, rows }: { title: string; rows: measured.Known[] }) {
  if (rows.length === 0) return null;
  return (
    <Card title={<>{title} <span class="count">{rows.length}</span></>} flush>
      <table class="pairs"><tbody>{rows.map(({ key, value, run }) => <tr key={key}><th scope="row">{key}</th><td class={title === "Metrics" ? "num" : "param"}>{value}{run !== undefined && <span class="muted"> (in its run at last: {run})</span>}</td></tr>)}</tbody></table>
    </Card>
  );
}

const snippets = (at: Addresses, name: string, v: string) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmodel = mlflow.pyfunc.load_model("models:/${name}/${v}")` },
  { label: "Serve", code: `${at.curl} -X PUT -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  -H 'content-type: application/json' -d '{"model": "models:/${name}/${v}"}' \\\n  ${at.http}/api/crannog/v1/endpoints/${encodeURIComponent(name)}` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/model-versions/get?name=${encodeURIComponent(name)}&version=${v}"` },
];
