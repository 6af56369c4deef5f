// Registered models: the list, with the aliases that matter.
import { useState } from "preact/hooks";
import { plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { usePaged } from "../lib/paged";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useSettled } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton, Tags, Time } from "../parts/basics";
import { type Addresses, CodeBlock, UseFromCode } from "../parts/code";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { plain } from "../parts/markdown";
import { Filter, Table } from "../parts/table";

export function ModelsScreen() {
  const { query } = usePlace();
  const { edit } = useMay();
  const [making, setMaking] = useState(false);
  const text = query.get("q") ?? "";
  const settled = useSettled(text);
  const list = usePaged((token) => ml.modelsPage(ml.nameHas(settled), token), (one) => one.name, [settled], 10_000);
  const { rows } = list;
  return (
    <Page title="Models" actions={<><UseFromCode snippets={snippets} />{edit && <button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New model</button>}</>}>
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter by name" label="Filter models by name" />{rows && <span class="muted">{plural(rows.length, "model")}{list.open && ", more below"}</span>}</div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Card flush>
        {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {rows?.length === 0 && (text ? <Empty kind="none" title="No model has that name" clear={() => setQuery({ q: null })} /> : <Empty kind="start" icon="cube" title="No model yet"><p>Register one when you log it:</p><CodeBlock code={'mlflow.onnx.log_model(model, name="model", registered_model_name="flight-delays")'} /></Empty>)}
        {rows && rows.length > 0 && (
          <Table
            label="Models" rows={rows} rowKey={(m) => m.name} href={(m) => path("models", m.name)}
            columns={[
              { id: "name", head: "Name", class: "title", cell: (m) => <span class="two-line"><a class="cut strong" href={path("models", m.name)} title={m.name}>{m.name}</a>{m.description && <small class="cut muted" title={m.description}>{plain(m.description)}</small>}</span> },
              { id: "aliases", head: "Aliases", cell: (m) => <AliasList aliases={m.aliases ?? []} /> },
              { id: "latest", head: "Latest", class: "num", cell: (m) => { const n = Math.max(0, ...(m.latest_versions ?? []).map((v) => Number(v.version))); return n ? `v${n}` : "–"; } },
              { id: "changed", head: "Changed", cell: (m) => <Time at={m.last_updated_timestamp} /> },
              { id: "tags", head: "Tags", class: "wide-only", cell: (m) => <Tags tags={ml.userTags(m.tags)} /> },
            ]}
          />
        )}
        {list.open && <div class="more"><button type="button" class="btn" onClick={list.more}>Show more</button></div>}
      </Card>
      {making && <NewModel close={() => setMaking(false)} />}
    </Page>
  );
}

export function AliasList({ aliases }: { aliases: { alias: string; version: string }[] }) {
  if (aliases.length === 0) return <span class="muted">–</span>;
  return <span class="tags">{aliases.map((a) => <span class="alias" key={a.alias}>@{a.alias}<span>v{a.version}</span></span>)}</span>;
}

function NewModel({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [about, setAbout] = useState("");
  return (
    <FormModal title="New model" submit="Create" close={close} disabled={!name.trim()} save={async () => { await ml.modelCreate(name.trim(), about.trim() || undefined); go(path("models", name.trim())); }}>
      <Field label="Name"><input value={name} onInput={(e) => setName(e.currentTarget.value)} autofocus required /></Field>
      <Field label="Description"><textarea rows={3} value={about} onInput={(e) => setAbout(e.currentTarget.value)} /></Field>
    </FormModal>
  );
}

const snippets = (at: Addresses) => [
  { label: "Python", code: `import mlflow\n\nmlflow.set_tracking_uri("${at.http}")\nfor model in mlflow.search_registered_models():\n    print(model.name, model.aliases)` },
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  "${at.http}/api/2.0/mlflow/registered-models/search?max_results=100"` },
];
