// Endpoints: what is served, from which version, how fast.
import { useState } from "preact/hooks";
import * as api from "../lib/crannog";
import { bytes, ms, number, plural } from "../lib/format";
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
              { id: "state", head: "Health", cell: (e) => <Status state={e.health} note={e.routes.map((r) => r.error).find(Boolean)} /> },
              { id: "model", head: "Model", cell: (e) => <code>{e.model}</code> },
              { id: "version", head: "Serves", cell: (e) => <Serves endpoint={e} /> },
              { id: "rate", head: "Req/s", class: "num", cell: (e) => number(e.requests_per_s) },
              { id: "bad", head: "Errors", class: "num", cell: (e) => <span class={e.errors ? "bad" : ""} title={`of ${number(e.requests)} requests`}>{number(e.errors)}</span> },
              { id: "p50", head: "p50", class: "num wide-only", cell: (e) => ms(e.latency_ms?.p50) },
              { id: "p95", head: "p95", class: "num", cell: (e) => ms(e.latency_ms?.p95) },
              { id: "p99", head: "p99", class: "num wide-only", cell: (e) => ms(e.latency_ms?.p99) },
              { id: "bytes", head: "Models", class: "num wide-only", cell: (e) => <span title="The files of all models it holds in memory, those kept warm included">{bytes(e.model_bytes)}</span> },
            ]}
          />
        )}
      </Card>
      {making && <NewEndpoint close={() => setMaking(false)} />}
    </Page>
  );
}

/** The versions that answer, with their shares where there are several, and what is going on. */
function Serves({ endpoint }: { endpoint: api.Endpoint }) {
  const heard = endpoint.routes.filter((route) => route.version !== null && (route.share > 0 || route.match));
  const shadows = endpoint.routes.filter((route) => route.shadow).length;
  const [only] = heard;
  if (!only) return <span class="muted">–</span>;
  return (
    <span class="serves">
      {heard.length === 1 ? <>v{only.version}</> : heard.map((route) => <span key={route.name} title={route.name}>v{route.version} <span class="muted">{number(route.share)} %</span></span>)}
      {endpoint.canary?.status === "running" && <span class="tag">canary</span>}
      {shadows > 0 && <span class="tag">{plural(shadows, "shadow")}</span>}
    </span>
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
