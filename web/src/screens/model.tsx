// One registered model: versions, aliases and where they point, tags.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { plural, shortId } from "../lib/format";
import * as ml from "../lib/mlflow";
import { go, path } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Tags, Time } from "../parts/basics";
import { type Addresses, CodeBlock, UseFromCode } from "../parts/code";
import { Confirm } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Markdown, plain } from "../parts/markdown";
import { DescribeModal, TagsModal } from "../parts/pairs";
import { Status } from "../parts/status";
import { Table } from "../parts/table";
import { DeleteVersion, DropAlias, EditVersion, SetAlias } from "./model-dialogs";

type Dialog = { kind: "alias"; alias?: string; version?: string } | { kind: "drop"; alias: string } | { kind: "version"; version: ml.ModelVersion } | { kind: "delete-version"; version: ml.ModelVersion } | { kind: "delete" | "about" | "tags" };

export function ModelScreen({ name }: { name: string }) {
  const { edit } = useMay();
  const [dialog, setDialog] = useState<Dialog>();
  const model = useLoad(() => ml.model(name), [name], 5_000);
  const list = useLoad(() => ml.versions(name), [name], 5_000);
  const served = useLoad(() => api.endpoints(), [], 5_000);
  const versions = list.data;
  const aliases = model.data?.aliases ?? [];
  const tags = ml.userTags(model.data?.tags);
  const reload = () => { model.reload(); list.reload(); served.reload(); };
  const close = () => setDialog(undefined);
  const followers = (alias: string) => (served.data ?? []).filter((e) => e.model === `models:/${name}@${alias}`);
  return (
    <Page
      title={name} crumbs={[{ label: "Models", href: "/models" }]} lead={model.data?.description ? <Markdown text={model.data.description} /> : undefined}
      actions={<>
        <UseFromCode snippets={(at) => snippets(at, name, aliases[0]?.alias, versions?.[0]?.version)} />
        {edit && model.data && <button type="button" class="btn" onClick={() => setDialog({ kind: "about" })}><Icon name="edit" />Describe</button>}
        {edit && <button type="button" class="btn quiet-danger" onClick={() => setDialog({ kind: "delete" })}><Icon name="trash" />Delete</button>}
      </>}
    >
      {model.error && <Problem error={model.error} retry={reload} />}
      <Card title="Aliases" flush actions={edit && versions?.length ? <button type="button" class="btn small" onClick={() => setDialog({ kind: "alias" })}><Icon name="plus" />Set an alias</button> : undefined}>
        {!model.data && !model.error && <div class="card-body"><Skeleton rows={2} /></div>}
        {model.data && aliases.length === 0 && <p class="note">No alias yet. An endpoint follows an alias: moving it switches the model without a restart.</p>}
        <ul class="rows">
          {aliases.map((a) => (
            <li key={a.alias}>
              <span class="alias big">@{a.alias}</span><span class="arrow" aria-label="points to">→</span><a class="strong" href={path("models", name, "versions", a.version)}>version {a.version}</a>{" "}
              <span class="grow" />
              {followers(a.alias).map((e) => <a key={e.name} class="tag" href={path("endpoints", e.name)}><Icon name="bolt" size={12} /><b>{e.name}</b></a>)}
              {edit && <button type="button" class="btn small" onClick={() => setDialog({ kind: "alias", alias: a.alias, version: a.version })}>Move</button>}
              {edit && <button type="button" class="icon-btn" aria-label={`Delete alias ${a.alias}`} onClick={() => setDialog({ kind: "drop", alias: a.alias })}><Icon name="trash" /></button>}
            </li>
          ))}
        </ul>
      </Card>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Card title="Versions" flush>
        {!versions && !list.error && <div class="card-body"><Skeleton /></div>}
        {versions?.length === 0 && <Empty kind="start" icon="cube" title="No version yet"><p>Register a logged model under this name:</p><CodeBlock code={`mlflow.register_model("models:/<model id>", "${name}")`} /></Empty>}
        {versions && versions.length > 0 && <Versions versions={versions} aliases={aliases} edit={edit} open={setDialog} />}
      </Card>
      {model.data && (edit || tags.length > 0) && <Card title="Tags" actions={edit && <button type="button" class="btn small" onClick={() => setDialog({ kind: "tags" })}><Icon name="edit" size={14} />{tags.length > 0 ? "Edit" : "Add"}</button>}><Tags tags={tags} /></Card>}
      {dialog?.kind === "alias" && versions && <SetAlias name={name} alias={dialog.alias} from={dialog.version} versions={versions} aliases={aliases} followers={followers} close={close} after={reload} />}
      {dialog?.kind === "drop" && <DropAlias name={name} alias={dialog.alias} followers={followers(dialog.alias)} close={close} after={reload} />}
      {dialog?.kind === "version" && <EditVersion version={dialog.version} close={close} after={reload} />}
      {dialog?.kind === "delete-version" && <DeleteVersion version={dialog.version} close={close} after={reload} />}
      {dialog?.kind === "about" && <DescribeModal title="Describe the model" value={model.data?.description ?? ""} close={close} after={reload} save={(text) => ml.modelDescribe(name, text)} />}
      {dialog?.kind === "tags" && <TagsModal title="Tags of the model" tags={tags} close={close} after={reload} set={(key, value) => ml.modelTag(name, key, value)} drop={(key) => ml.modelTagDelete(name, key)} />}
      {dialog?.kind === "delete" && (
        <Confirm title="Delete the model" submit="Delete" type={name} close={close} save={() => ml.modelDelete(name)} after={() => go("/models")}>
          <p><b>{name}</b>, its {plural(versions?.length ?? 0, "version")} and {plural(aliases.length, "alias", "aliases")} are removed. Endpoints that follow it lose their model. The runs' files stay.</p>
        </Confirm>
      )}
    </Page>
  );
}

const hrefOf = (version: ml.ModelVersion) => path("models", version.name, "versions", version.version);

function Versions({ versions, aliases, edit, open }: { versions: ml.ModelVersion[]; aliases: { alias: string; version: string }[]; edit: boolean; open: (dialog: Dialog) => void }) {
  return (
    <Table
      label="Versions" rows={versions} rowKey={(v) => v.version} href={hrefOf}
      columns={[
        { id: "v", head: "Version", cell: (v) => <a class="strong" href={hrefOf(v)}>v{v.version}</a> },
        { id: "status", head: "Status", cell: (v) => <Status state={v.status ?? "READY"} note={v.status_message} /> },
        { id: "alias", head: "Aliases", cell: (v) => <span class="tags">{aliases.filter((a) => a.version === v.version).map((a) => <span class="alias" key={a.alias}>@{a.alias}</span>)}</span> },
        { id: "run", head: "Run", cell: (v) => (v.run_id ? <a href={path("runs", v.run_id)}><code>{shortId(v.run_id)}</code></a> : <span class="muted">–</span>) },
        { id: "about", head: "Description", class: "wide-only about", cell: (v) => (v.description ? <span class="cut" title={v.description}>{plain(v.description)}</span> : <span class="muted">–</span>) },
        { id: "tags", head: "Tags", class: "wide-only", cell: (v) => <Tags tags={ml.userTags(v.tags)} /> },
        { id: "made", head: "Created", cell: (v) => <Time at={v.creation_timestamp} /> },
        { id: "acts", head: <span class="sr">Actions</span>, class: "acts", cell: (v) => edit && <>
          <button type="button" class="btn small" onClick={() => open({ kind: "alias", version: v.version })}>Alias</button>
          <button type="button" class="icon-btn" aria-label={`Edit version ${v.version}`} onClick={() => open({ kind: "version", version: v })}><Icon name="edit" /></button>
          <button type="button" class="icon-btn" aria-label={`Delete version ${v.version}`} onClick={() => open({ kind: "delete-version", version: v })}><Icon name="trash" /></button>
        </> },
      ]}
    />
  );
}

const snippets = (at: Addresses, name: string, alias = "production", version = "1") => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nmodel = mlflow.pyfunc.load_model("models:/${name}@${alias}")` },
  { label: "Move alias", code: `from mlflow import MlflowClient\n\nMlflowClient("${at.http}").set_registered_model_alias("${name}", "${alias}", ${version})` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  -H 'content-type: application/json' \\\n  -d '{"name": "${name}", "alias": "${alias}", "version": "${version}"}' \\\n  ${at.http}/api/2.0/mlflow/registered-models/alias` },
];
