// Endpoints: what is served, from which version, how fast.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { ms, number, plural } from "../lib/format";
import * as ml from "../lib/mlflow";
import { go, path, setQuery, usePlace } from "../lib/router";
import { useMay } from "../lib/session";
import { useLoad } from "../lib/use";
import { Card, Empty, Page, Problem, Skeleton } from "../parts/basics";
import { type Addresses, CodeBlock, UseFromCode } from "../parts/code";
import { Field, FormModal } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { Status } from "../parts/status";
import { Filter, Table } from "../parts/table";

export function EndpointsScreen() {
  const { query } = usePlace();
  const { edit } = useMay();
  const [making, setMaking] = useState(false);
  const list = useLoad(api.endpoints, [], 3_000);
  const text = query.get("q") ?? "";
  const rows = list.data?.filter((e) => `${e.name} ${e.model}`.toLowerCase().includes(text.toLowerCase()));
  return (
    <Page title="Endpoints" actions={<><UseFromCode snippets={snippets} />{edit && <button type="button" class="btn primary" onClick={() => setMaking(true)}><Icon name="plus" />New endpoint</button>}</>}>
      <div class="toolbar"><Filter value={text} onChange={(q) => setQuery({ q })} placeholder="Filter by name or model" label="Filter endpoints" />{rows && <span class="muted">{plural(rows.length, "endpoint")}</span>}</div>
      {list.error && <Problem error={list.error} retry={list.reload} />}
      <Card flush>
        {!rows && !list.error && <div class="card-body"><Skeleton /></div>}
        {rows?.length === 0 && (text ? <Empty kind="none" title="No endpoint matches" clear={() => setQuery({ q: null })} /> : <Empty kind="start" icon="bolt" title="No endpoint yet"><p>An endpoint follows an alias of a model and serves whatever version it points to.</p><CodeBlock code={"crannog endpoint create flights --model models:/flight-delays@production"} /></Empty>)}
        {rows && rows.length > 0 && (
          <Table
            label="Endpoints" rows={rows} rowKey={(e) => e.name} href={(e) => path("endpoints", e.name)}
            columns={[
              { id: "name", head: "Name", cell: (e) => <a class="strong" href={path("endpoints", e.name)}>{e.name}</a> },
              { id: "state", head: "State", cell: (e) => <Status state={e.state} note={e.error} /> },
              { id: "model", head: "Follows", cell: (e) => <code>{e.model}</code> },
              { id: "version", head: "Serves", cell: (e) => (e.version === null ? <span class="muted">–</span> : <>v{e.version}</>) },
              { id: "n", head: "Requests", class: "num", cell: (e) => number(e.requests) },
              { id: "bad", head: "Errors", class: "num", cell: (e) => <span class={e.errors ? "bad" : ""}>{number(e.errors)}</span> },
              { id: "p50", head: "p50", class: "num wide-only", cell: (e) => ms(e.latency_ms?.p50) },
              { id: "p95", head: "p95", class: "num", cell: (e) => ms(e.latency_ms?.p95) },
              { id: "p99", head: "p99", class: "num wide-only", cell: (e) => ms(e.latency_ms?.p99) },
            ]}
          />
        )}
      </Card>
      {making && <NewEndpoint close={() => setMaking(false)} />}
    </Page>
  );
}

function NewEndpoint({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [model, setModel] = useState("");
  const known = useLoad(() => ml.models(), []);
  const uris = (known.data ?? []).flatMap((m) => [...(m.aliases ?? []).map((a) => `models:/${m.name}@${a.alias}`), ...(m.latest_versions ?? []).map((v) => `models:/${m.name}/${v.version}`)]);
  return (
    <FormModal title="New endpoint" submit="Create" close={close} disabled={!name || !model} save={async () => { await api.endpointPut(name, model); go(path("endpoints", name)); }}>
      <Field label="Name" hint={name && <>It will answer at <code>/endpoints/{name}/invocations</code>.</>}><input value={name} onInput={(e) => setName(e.currentTarget.value.trim())} autofocus required /></Field>
      <Field label="Model" hint="An alias follows the model as it moves; a version stays."><input class="mono" list="model-uris" placeholder="models:/flight-delays@production" value={model} onInput={(e) => setModel(e.currentTarget.value.trim())} required /></Field>
      <datalist id="model-uris">{uris.map((uri) => <option key={uri} value={uri} />)}</datalist>
    </FormModal>
  );
}

const snippets = (at: Addresses) => [
  { label: "curl", code: `${at.curl} -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" \\\n  ${at.http}/api/crannog/v1/endpoints` },
  { label: "CLI", code: `export CRANNOG_URL=${at.http}\ncrannog endpoint list` },
];
