// What an endpoint did: requests by version over the last hour, numbers by version, the last failures, its history.
import { useMemo } from "preact/hooks";
import * as api from "../lib/crannog";
import { ms, number } from "../lib/format";
import { useLoad } from "../lib/use";
import { Card, Empty, Id, Problem, Skeleton, Time } from "../parts/basics";
import { Chart, Mark, type Series } from "../parts/chart";
import { Table } from "../parts/table";

const SLOT = 10_000;

/** Requests a second; ten seconds in which nothing was counted are zero. The slot that is still filling is left out. */
function seriesOf(versions: api.VersionStats[]): Series[] {
  const times = versions.flatMap((version) => version.series.map((point) => point.at_ms));
  if (times.length === 0) return [];
  const [first, last] = [Math.min(...times), Math.floor(Date.now() / SLOT) * SLOT - SLOT];
  return versions.map((version, mark) => {
    const counts = new Map(version.series.map((point) => [point.at_ms, point.requests]));
    const points = [];
    for (let at = first; at <= last; at += SLOT) points.push({ step: at / SLOT, time: at, value: ((counts.get(at) ?? 0) * 1000) / SLOT });
    return { label: `v${version.version}`, points, mark };
  });
}

const percent = (share: number | null) => (share === null ? "–" : `${number(Math.round(share * 1000) / 10)} %`);

export function Traffic({ endpoint }: { endpoint: api.Endpoint }) {
  const stats = useLoad(() => api.endpointStats(endpoint.name), [endpoint.name], 3_000);
  const data = stats.data;
  const heard = useMemo(() => seriesOf(data?.versions.filter((version) => version.series.length > 0) ?? []), [data]);
  const drawn = heard.some((series) => series.points.length > 1);
  return (
    <>
      {stats.error && <Problem error={stats.error} retry={stats.reload} />}
      <Card title="Traffic by version" actions={<span class="muted">requests a second, the last hour</span>}>
        {!data && !stats.error && <Skeleton rows={6} />}
        {data && !drawn && <Empty kind="none" icon="chart" title={heard.length === 0 ? "No request in the last hour" : "A moment, the first points are being counted"} />}
        {drawn && <>
          <ul class="legend" aria-label="Versions">{heard.map((series) => <li key={series.label}><Mark at={series.mark ?? 0} />{series.label}</li>)}</ul>
          <Chart series={heard} x="time" log={false} smoothing={0} label={`Requests a second of ${heard.map((series) => series.label).join(", ")}`} />
        </>}
      </Card>
      {data && data.versions.length > 0 && <Card flush title="Versions"><Versions versions={data.versions} /></Card>}
      {data && data.failures.length > 0 && <Card flush title={<>Recent errors <span class="count">{data.failures.length}</span></>}><Failures failures={data.failures} /></Card>}
    </>
  );
}

function Versions({ versions }: { versions: api.VersionStats[] }) {
  return (
    <Table
      label="Versions" rows={versions} rowKey={(v) => `${v.model} ${v.version}`}
      columns={[
        { id: "version", head: "Version", cell: (v) => <span title={v.model}>v{v.version}</span> },
        { id: "rate", head: "Req/s", class: "num", cell: (v) => number(v.requests_per_s) },
        { id: "n", head: "Requests", class: "num", cell: (v) => number(v.requests) },
        { id: "bad", head: "Failed", class: "num", cell: (v) => <span class={v.errors ? "bad" : ""}>{number(v.errors)}</span> },
        { id: "refused", head: "Refused", class: "num wide-only", cell: (v) => number(v.refused) },
        { id: "p50", head: "p50", class: "num wide-only", cell: (v) => ms(v.latency_ms.p50) },
        { id: "p95", head: "p95", class: "num", cell: (v) => ms(v.latency_ms.p95) },
        { id: "p99", head: "p99", class: "num wide-only", cell: (v) => ms(v.latency_ms.p99) },
        { id: "queue", head: "Queue", class: "num wide-only", cell: (v) => ms(v.queue_ms) },
        { id: "mirrored", head: "As a shadow", class: "num", cell: (v) => (v.shadow.requests + v.shadow.dropped === 0 ? <span class="muted">–</span> : <span title={`${number(v.shadow.dropped)} dropped`}>{number(v.shadow.requests)}{v.shadow.errors > 0 && <span class="bad"> ({number(v.shadow.errors)} failed)</span>}</span>) },
        { id: "agreement", head: "Agreement", class: "num", cell: (v) => <span title={`${number(v.shadow.agreed)} of ${number(v.shadow.rows)} rows`}>{percent(v.shadow.agreement)}</span> },
      ]}
    />
  );
}

function Failures({ failures }: { failures: api.Failed[] }) {
  return (
    <Table
      label="Recent errors" rows={failures} rowKey={(f) => `${f.request_id} ${f.at}`}
      columns={[
        { id: "at", head: "When", cell: (f) => <Time at={f.at} /> },
        { id: "status", head: "Status", cell: (f) => <span class="bad">{f.status}</span> },
        { id: "version", head: "Version", cell: (f) => (f.version ? `v${f.version}` : "–") },
        { id: "message", head: "Message", class: "failure", cell: (f) => f.message },
        { id: "id", head: "Request", cell: (f) => <Id id={f.request_id} /> },
      ]}
    />
  );
}

const WORDS: Record<string, string> = {
  defined: "defined", serves: "serves", rolled_back: "rolled back", canary_began: "canary began", canary_step: "canary's next step",
  canary_promoted: "canary promoted", canary_rolled_back: "canary rolled back",
};

export function History({ name }: { name: string }) {
  const history = useLoad(() => api.endpointHistory(name), [name], 5_000);
  if (!history.data && !history.error) return null;
  return (
    <Card flush title="History">
      {history.error && <Problem error={history.error} retry={history.reload} />}
      <ul class="rows history">
        {history.data?.slice(0, 30).map((what, index) => (
          <li key={`${what.at_ms} ${index}`}>
            <span class="history-when muted"><Time at={what.at_ms} /></span>
            <b>{WORDS[what.kind] ?? what.kind}</b>
            <span class="history-what">{[what.route, what.version && `version ${what.version}`].filter(Boolean).join(", ")}{what.note && <span class="muted"> {what.note}</span>}</span>
            {what.user && <span class="muted">{what.user}</span>}
          </li>
        ))}
      </ul>
    </Card>
  );
}
